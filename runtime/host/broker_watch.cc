#include "host/broker_watch.h"

#include <algorithm>

namespace weir {

namespace {

// A connection that is merely made anew takes less.
constexpr std::chrono::seconds kUnreachableMax{3};
// One that asks all the time and was answered this recently isn't cut off.
constexpr std::chrono::seconds kAnswerIsFresh{1};
// A member's heartbeats alone are answered every three seconds.
constexpr std::chrono::seconds kSilenceMax{10};

}  // namespace

void BrokerWatch::observe(Time now, bool is_reachable, Time last_answer, bool is_asking) {
  unreachable_since_ = is_reachable ? Time::max() : std::min(unreachable_since_, now);
  const auto silence = now - last_answer;
  expects_answers_ = silence < kAnswerIsFresh ? is_asking : expects_answers_;
  is_cut_off_ =
      now - unreachable_since_ > kUnreachableMax || (expects_answers_ && silence > kSilenceMax);
}

}  // namespace weir
