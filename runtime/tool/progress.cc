#include "tool/progress.h"

#include <unistd.h>

#include <cmath>
#include <cstdio>
#include <utility>

#include <fmt/format.h>

#include "text/words.h"

namespace weir {

namespace {

using std::chrono::steady_clock;

std::string clock_text(double seconds) {
  const auto whole = std::llround(seconds);
  return whole >= 3600 ? fmt::format("{}:{:02}:{:02}", whole / 3600, whole / 60 % 60, whole % 60)
                       : fmt::format("{}:{:02}", whole / 60, whole % 60);
}

}  // namespace

Progress::Progress(std::string what)
    : what_(std::move(what)),
      is_terminal_(::isatty(STDERR_FILENO) != 0),
      began_(steady_clock::now()),
      shown_(began_) {}

Progress::~Progress() {
  if (has_line_) {
    fmt::print(stderr, "\r\x1b[K");
  }
}

std::chrono::duration<double> Progress::elapsed() const {
  return steady_clock::now() - began_;
}

void Progress::show(std::uint64_t count, std::optional<double> share) {
  const auto every = is_terminal_ ? std::chrono::milliseconds(200) : std::chrono::seconds(10);
  if (steady_clock::now() - shown_ < every) {
    return;
  }
  shown_ = steady_clock::now();
  const double seconds = elapsed().count();
  std::string text =
      fmt::format("{} {}, {}/s", grouped(count), what_,
                  grouped(static_cast<std::uint64_t>(static_cast<double>(count) / seconds)));
  if (share && *share > 0) {
    text += fmt::format(", {:.0f} %, {} left", *share * 100,
                        clock_text(seconds / *share * (1 - *share)));
  }
  fmt::print(stderr, "{}{}{}", is_terminal_ ? "\r" : "", text, is_terminal_ ? "\x1b[K" : "\n");
  std::fflush(stderr);
  has_line_ = is_terminal_;
}

}  // namespace weir
