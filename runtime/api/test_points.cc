#include "weir/test_points.h"

#ifdef WEIR_TEST_POINTS

#include <atomic>
#include <charconv>
#include <csignal>
#include <cstdlib>
#include <string>

namespace weir {

namespace {

// The n-th passing of a point, from an environment variable that says "point:n" or "point".
class Passing {
 public:
  explicit Passing(const char* variable) {
    const char* text = std::getenv(variable);
    if (text == nullptr) {
      return;
    }
    const std::string_view whole = text;
    const std::size_t colon = whole.find(':');
    point_ = whole.substr(0, colon);
    if (colon != std::string_view::npos) {
      std::from_chars(whole.data() + colon + 1, whole.data() + whole.size(), times_);
    }
  }

  bool is_now(std::string_view name) { return name == point_ && ++passed_ == times_; }

 private:
  std::string point_;
  int times_ = 1;
  std::atomic<int> passed_{0};
};

std::string& chosen_mutant() {
  static std::string chosen = [] {
    const char* text = std::getenv("WEIR_MUTANT");
    return std::string(text == nullptr ? "" : text);
  }();
  return chosen;
}

}  // namespace

void test_point(std::string_view name) {
  static Passing dies("WEIR_CRASH_AT");
  static Passing pauses("WEIR_PAUSE_AT");
  if (dies.is_now(name)) {
    std::raise(SIGKILL);
  }
  if (pauses.is_now(name)) {
    std::raise(SIGSTOP);
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
