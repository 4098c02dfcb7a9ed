/** @file graph.h  Pictures of topologies, drawn by graphviz. */
#ifndef APPS_STREAMCTL_GRAPH_H
#define APPS_STREAMCTL_GRAPH_H

/** Draws a graph in the DOT language as SVG on stdout; command is for messages.
 *  @return the exit code */
int graph_print_svg(const char *command, const char *dot_text);
#endif
