// Asks again and again whether a `run --until-end` is done, beside the thread that has signals to
// hear.
#pragma once

#include <chrono>
#include <future>
#include <optional>
#include <string>
#include <vector>

#include "host/input_ends.h"
#include "host/log.h"
#include "http/metrics_probe.h"
#include "weir/status.h"

namespace weir {

// Time is given. All calls on one thread; none but the last one and the destructor waits for
// brokers.
class EndWatch {
 public:
  using Time = std::chrono::steady_clock::time_point;

  // `ends` have had their look. `metrics`, of the lanes, and `log` are borrowed and outlive this.
  // `silence_max`: as RunOptions'.
  EndWatch(InputEnds ends, std::chrono::seconds silence_max, const Metrics& metrics,
           const Log& log);

  // Waits for the question that is under way.
  ~EndWatch() = default;

  EndWatch(const EndWatch&) = delete;
  EndWatch& operator=(const EndWatch&) = delete;

  // Whether all of the input is done, as far as is known by now: call it every moment. A look is
  // begun only while `are_at_end`, all lanes are, and no sooner than a second after the last one.
  //
  // Fails while they are and the brokers haven't answered such looks for longer than `silence_max`
  // (unavailable, with the cause), or answer what only a person can mend. The log has one warning
  // of each silence, when it begins.
  Result<bool> is_done(Time now, bool are_at_end);

  // After the lanes have ended: whether all is done, whatever was known before. Waits for brokers,
  // some seconds at most; where they don't answer nobody knows, and it isn't. Fails where only a
  // person can mend what they answer.
  Result<bool> is_done_at_last();

  // A look has begun of which is_done() hasn't taken the result.
  bool is_looking() const { return look_.valid(); }

  // Looks no more: nothing is done or fails from now on that wasn't before.
  void stop() { is_stopped_ = true; }

 private:
  Status take(Time now, bool are_at_end, const Result<std::vector<std::string>>& undone);

  InputEnds ends_;
  const std::chrono::seconds silence_max_;
  const Metrics& metrics_;
  const Log& log_;
  Time began_;  // the look
  Time next_;   // not before this
  int undone_seen_ = 0;
  bool is_done_ = false;
  std::optional<Time> silent_since_;
  Time last_failed_;
  bool is_stopped_ = false;
  std::future<Result<std::vector<std::string>>>
      look_;  // its end is waited for before the rest goes
};

}  // namespace weir
