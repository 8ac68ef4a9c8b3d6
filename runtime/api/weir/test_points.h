// Places where a test may kill the process (WEIR_CRASH_AT=point:n, the n-th time) or stop it until
// SIGCONT (WEIR_PAUSE_AT), and rules that it may break (WEIR_MUTANT=name) to see that the checker
// notices. Only in builds with WEIR_TEST_POINTS; a release has none of them.
#pragma once

#include <string_view>

namespace weir {

#ifdef WEIR_TEST_POINTS
void test_point(std::string_view name);
bool is_mutant(std::string_view name);

// For tests in this process, in place of WEIR_MUTANT.
void choose_mutant(std::string_view name);
#else
inline void test_point(std::string_view /*name*/) {}

inline bool is_mutant(std::string_view /*name*/) {
  return false;
}
#endif

}  // namespace weir
