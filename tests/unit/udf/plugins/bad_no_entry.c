/** @file bad_no_entry.c  A shared object that is no plugin. */
int an_answer(void);
int an_answer(void) {
  return 42;
}
