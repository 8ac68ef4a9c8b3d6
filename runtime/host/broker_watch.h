// Whether the brokers are silent, judged by what one client of theirs notices. Pure: time is given.
#pragma once

#include <chrono>
#include <string_view>

namespace weir {

inline constexpr std::string_view kBrokerIsSilent = "the broker doesn't answer";

// Brokers are cut off when none could be reached for a while, or when none answered for longer than
// a client waits that asks all the time: one that hangs keeps its connections. Whoever waits to be
// given partitions asks nothing and may rightly hear nothing for long.
class BrokerWatch {
 public:
  using Time = std::chrono::steady_clock::time_point;

  // What the client notices at `now`. `is_asking`: it asks all the time, for it has partitions,
  // say; what counts is whether it did when it was last answered, for a silence makes it lose them.
  void observe(Time now, bool is_reachable, Time last_answer, bool is_asking);

  bool is_cut_off() const { return is_cut_off_; }

 private:
  Time unreachable_since_ = Time::max();  // max: it is reachable
  bool expects_answers_ = true;           // who starts asks
  bool is_cut_off_ = false;
};

}  // namespace weir
