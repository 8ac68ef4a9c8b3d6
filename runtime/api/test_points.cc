#include "weir/test_points.h"

#ifdef WEIR_TEST_POINTS

#include <atomic>
#include <charconv>
#include <csignal>
#include <cstdlib>
#include <string>

namespace weir {

namespace {

struct CrashAt {
  std::string point;
  int times = 0;
};

CrashAt crash_at_from_environment() {
  const char* text = std::getenv("WEIR_CRASH_AT");
  if (text == nullptr) {
    return {};
  }
  const std::string_view whole = text;
  const std::size_t colon = whole.find(':');
  CrashAt at{std::string(whole.substr(0, colon)), 1};
  if (colon != std::string_view::npos) {
    std::from_chars(whole.data() + colon + 1, whole.data() + whole.size(), at.times);
  }
  return at;
}

std::string& chosen_mutant() {
  static std::string chosen = [] {
    const char* text = std::getenv("WEIR_MUTANT");
    return std::string(text == nullptr ? "" : text);
  }();
  return chosen;
}

}  // namespace

void test_point(std::string_view name) {
  static const CrashAt at = crash_at_from_environment();
  static std::atomic<int> passed{0};
  if (name == at.point && ++passed == at.times) {
    std::raise(SIGKILL);
  }
}

bool is_mutant(std::string_view name) {
  return name == chosen_mutant();
}

void choose_mutant(std::string_view name) {
  chosen_mutant() = name;
}

}  // namespace weir

#endif
