/* Tests against a baseline in rules: reading them, and what they are called. */
#ifndef RULES_RULE_TEST_H
#define RULES_RULE_TEST_H

#include "rules/build.h"

/* `test` and `baseline` of a signal whose window was read. */
void rule_test(struct reading *, const struct yaml *map, struct rule_signal *);
/* What is drawn beyond 2,000 samples follows the signal's hash. */
void rule_test_seed(struct reading *, struct rule_signal *);
/* Whether there can be a baseline that the test can use; the model is known by then. */
void rule_test_check(struct reading *, const struct yaml *map,
    const struct rule_signal *);
/* The tests as a page of the reference. */
void rules_tests(GString *markdown);
#endif
