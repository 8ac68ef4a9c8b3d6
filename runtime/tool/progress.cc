#include "tool/progress.h"

#include <unistd.h>

#include <cmath>
#include <cstdio>
#include <utility>

#include <fmt/format.h>

#include "text/words.h"

namespace weir {

namespace {

std::string clock_text(double seconds) {
  const auto whole = std::llround(seconds);
  return whole >= 3600 ? fmt::format("{}:{:02}:{:02}", whole / 3600, whole / 60 % 60, whole % 60)
                       : fmt::format("{}:{:02}", whole / 60, whole % 60);
}

}  // namespace

Progress::Progress(std::string what, Now now)
    : what_(std::move(what)),
      now_(std::move(now)),
      is_terminal_(::isatty(STDERR_FILENO) != 0),
      began_(now_()),
      shown_(began_) {}

Progress::~Progress() {
  if (has_line_) {
    fmt::print(stderr, "\r\x1b[K");
  }
}

std::chrono::duration<double> Progress::elapsed() const {
  return now_() - began_;
}

void Progress::show(std::uint64_t count, std::optional<double> share) {
  if (share && !first_) {
    first_ = Reached{now_(), *share};
  }
  const auto every = is_terminal_ ? std::chrono::milliseconds(200) : std::chrono::seconds(10);
  if (now_() - shown_ < every) {
    return;
  }
  shown_ = now_();
  const double seconds = elapsed().count();
  std::string text =
      fmt::format("{} {}, {}/s", grouped(count), what_,
                  grouped(static_cast<std::uint64_t>(static_cast<double>(count) / seconds)));
  if (share && *share > first_->share) {
    const std::chrono::duration<double> since = shown_ - first_->when;
    text += fmt::format(", {:.0f} %, {} left", *share * 100,
                        clock_text(since.count() / (*share - first_->share) * (1 - *share)));
  }
  fmt::print(stderr, "{}{}{}", is_terminal_ ? "\r" : "", text, is_terminal_ ? "\x1b[K" : "\n");
  std::fflush(stderr);
  has_line_ = is_terminal_;
}

}  // namespace weir
