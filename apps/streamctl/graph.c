/** @file graph.c  `dot -Tsvg` as a child: the graph from a pipe, the picture to our stdout. */
#include "streamctl/graph.h"

#include "common/exit_code.h"

#include <errno.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

static int start(pid_t *out, int input, int other_end) {
  char *const argv[] = {"dot", "-Tsvg", NULL};
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, input, STDIN_FILENO);
  posix_spawn_file_actions_addclose(&actions, input);
  posix_spawn_file_actions_addclose(&actions, other_end);
  int rc = posix_spawnp(out, "dot", &actions, NULL, argv, environ);
  posix_spawn_file_actions_destroy(&actions);
  return rc;
}

static int wait_for(pid_t child) {
  int status = 0;
  while (waitpid(child, &status, 0) < 0) {
    if (errno != EINTR) return -1;
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

int graph_print_svg(const char *command, const char *dot_text) {
  int ends[2];
  pid_t child;
  if (pipe(ends) != 0) {
    fprintf(stderr, "%s: no pipe to dot: %s\n", command, strerror(errno));
    return APP_TRANSIENT;
  }
  int rc = start(&child, ends[0], ends[1]);
  close(ends[0]);
  if (rc != 0) {
    close(ends[1]);
    fprintf(stderr, "%s: --format svg wants graphviz, and dot can't be run: %s\n", command, strerror(rc));
    return APP_USAGE;
  }
  signal(SIGPIPE, SIG_IGN); /* a dot that dies early is told by its exit status */
  size_t len = strlen(dot_text), done = 0;
  while (done < len) {
    ssize_t n = write(ends[1], dot_text + done, len - done);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) break;
    done += (size_t)n;
  }
  close(ends[1]);
  int status = wait_for(child);
  if (status == 0 && done == len) return APP_DONE;
  fprintf(stderr, "%s: dot failed (exit status %d)\n", command, status);
  return APP_INTERNAL;
}
