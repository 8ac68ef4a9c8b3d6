#include "host/end_watch.h"

#include <utility>

#include <fmt/format.h>

namespace weir {

namespace {

constexpr std::chrono::seconds kLookEvery{1};
// Lanes that were at work for longer between two looks without an answer: each is a silence of its
// own. Records that go on coming, too, have lanes at work, but only for a moment.
constexpr std::chrono::seconds kAtWorkMin{10};

}  // namespace

EndWatch::EndWatch(InputEnds ends, std::chrono::seconds silence_max, const Metrics& metrics,
                   const Log& log)
    : ends_(std::move(ends)), silence_max_(silence_max), metrics_(metrics), log_(log) {}

Result<bool> EndWatch::is_done(Time now, bool are_at_end) {
  if (is_done_ || is_stopped_) {
    return is_done_;
  }
  if (look_.valid()) {
    if (look_.wait_for(std::chrono::seconds(0)) == std::future_status::timeout) {
      return false;
    }
    next_ = now + kLookEvery;
    WEIR_TRY(take(now, are_at_end, look_.get()));
  } else if (are_at_end && now >= next_) {
    began_ = now;
    // By the default policy it is done within the call that takes it, if there is no thread to be
    // had.
    look_ = std::async([this, lanes = metrics_.lanes()] { return ends_.undone(lanes); });
  }
  return is_done_;
}

Result<bool> EndWatch::is_done_at_last() {
  if (look_.valid()) {
    look_.wait();
  }
  const Result<std::vector<std::string>> undone = ends_.undone({});
  if (!undone.is_ok() && undone.status().remedy() == Remedy::stop) {
    return undone.status();
  }
  return undone.is_ok() && undone.value().empty();
}

Status EndWatch::take(Time now, bool are_at_end, const Result<std::vector<std::string>>& undone) {
  if (undone.is_ok()) {
    if (silent_since_) {
      log_.info("the brokers say again how much of the input is done");
      silent_since_.reset();
    }
    is_done_ = undone.value().empty();
    // The first may be of what came since the lanes were at the end.
    if (!is_done_ && ++undone_seen_ == 2) {
      log_.warning(
          "waiting for what another member of the group owns, or owned until its session ends, or "
          "what an open transaction hides",
          {{"partitions", fmt::format("{}", fmt::join(undone.value(), ", "))}});
    }
    return Status::ok();
  }
  const Status& failure = undone.status();
  if (failure.remedy() == Remedy::stop) {
    return are_at_end ? failure : Status::ok();
  }
  if (!silent_since_ || began_ - last_failed_ > kAtWorkMin) {
    silent_since_ = began_;
    log_.warning(
        "the lanes are at their ends, but the brokers don't say whether all of the input "
        "is done",
        {{"why", failure.message()}});
  }
  last_failed_ = now;
  return are_at_end && now - *silent_since_ > silence_max_
             ? Status::stop(ExitCode::unavailable,
                            fmt::format("the brokers didn't say for {} s whether all of the input "
                                        "is done: {}",
                                        silence_max_.count(), failure.message()))
             : Status::ok();
}

}  // namespace weir
