/** @file test_standby_plan.c  Which tasks a process keeps copies of: compared with the range assignment after each loss. */
#include "runtime/standby_plan.h"

#include <check.h>
#include <string.h>

#define MEMBERS_MAX    8
#define PARTITIONS_MAX 13

/* Processes a, b, c, ...; member i belongs to process owner[i]. */
static size_t make(ls_standby_member *members, const char *owner) {
  static char names[MEMBERS_MAX][3], processes[MEMBERS_MAX][2];
  size_t n = strlen(owner);
  for (size_t i = 0; i < n; i++) {
    memcpy(names[i], (char[]){'m', (char)('0' + i), 0}, 3);
    memcpy(processes[i], (char[]){owner[i], 0}, 2);
    members[i] = (ls_standby_member){names[i], processes[i]};
  }
  return n;
}

/* Owner of each partition when the processes in lost are gone: what range does, by counting. */
static void range(char *out, int n_partitions, const char *owner, const char *lost) {
  char left[MEMBERS_MAX + 1];
  int n = 0;
  for (const char *o = owner; *o; o++)
    if (!strchr(lost, *o)) left[n++] = *o;
  for (int p = 0, i = 0, taken = 0; p < n_partitions; p++, taken++) {
    while (taken == n_partitions / n + (i < n_partitions % n)) {
      i++;
      taken = 0;
    }
    out[p] = left[i];
  }
}

static void check_plan(const char *owner, int n_partitions, int n_lost) {
  ls_standby_member members[MEMBERS_MAX];
  size_t n = make(members, owner);
  bool wanted[PARTITIONS_MAX] = {false}, expected[PARTITIONS_MAX] = {false};
  ls__standby_plan(wanted, n_partitions, members, n, "a", n_lost);
  for (char x = 'a'; x <= 'd'; x++) {
    for (char y = 'a'; y <= 'd'; y++) {
      char lost[3] = {0};
      int k = 0;
      if (x != 'a' && n_lost >= 1) lost[k++] = x;
      if (y != 'a' && n_lost >= 2) lost[k++] = y;
      char owners[PARTITIONS_MAX];
      range(owners, n_partitions, owner, lost);
      for (int p = 0; p < n_partitions; p++) expected[p] = expected[p] || owners[p] == 'a';
    }
  }
  for (int p = 0; p < n_partitions; p++)
    ck_assert_msg(wanted[p] == expected[p], "%s, %d partitions, %d lost: partition %d", owner, n_partitions, n_lost, p);
}

START_TEST(it_wants_what_range_would_give_it) {
  static const char *const owners[] = {"a", "ab", "ba", "aabb", "abc", "cba", "abab", "abcd", "aabbccdd", "dabc", "ca"};
  for (size_t i = 0; i < sizeof owners / sizeof owners[0]; i++) {
    for (int n_partitions = 1; n_partitions <= PARTITIONS_MAX; n_partitions++) {
      for (int n_lost = 0; n_lost <= LS_STANDBY_LOST_MAX; n_lost++) check_plan(owners[i], n_partitions, n_lost);
    }
  }
}
END_TEST

START_TEST(of_two_processes_each_wants_all) {
  ls_standby_member members[MEMBERS_MAX];
  size_t n = make(members, "ab");
  bool wanted[4] = {false};
  ls__standby_plan(wanted, 4, members, n, "b", 1);
  for (int p = 0; p < 4; p++) ck_assert(wanted[p]);
}
END_TEST

START_TEST(a_process_that_is_not_in_the_group_wants_nothing) {
  ls_standby_member members[MEMBERS_MAX];
  size_t n = make(members, "bc");
  bool wanted[4] = {false};
  ls__standby_plan(wanted, 4, members, n, "a", 2);
  ls__standby_plan(wanted, 4, members, 0, "a", 2);
  for (int p = 0; p < 4; p++) ck_assert(!wanted[p]);
}
END_TEST

START_TEST(members_are_sorted_by_their_ids) {
  ls_standby_member members[] = {{"m2", "b"}, {"m10", "a"}, {"m1", "c"}};
  ls__standby_sort(members, 3);
  ck_assert_str_eq(members[0].process, "c");
  ck_assert_str_eq(members[1].process, "a");
  ck_assert_str_eq(members[2].process, "b");
}
END_TEST

int main(void) {
  Suite *suite = suite_create("standby_plan");
  TCase *tc = tcase_create("plan");
  tcase_add_test(tc, it_wants_what_range_would_give_it);
  tcase_add_test(tc, of_two_processes_each_wants_all);
  tcase_add_test(tc, a_process_that_is_not_in_the_group_wants_nothing);
  tcase_add_test(tc, members_are_sorted_by_their_ids);
  suite_add_tcase(suite, tc);
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_ENV);
  int failed = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failed == 0 ? 0 : 1;
}
