// Whether a process's lanes work: none hangs, and the brokers answer them.
#pragma once

#include <atomic>
#include <chrono>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "host/lane.h"
#include "host/log.h"
#include "http/metrics_probe.h"

namespace weir {

inline constexpr std::string_view kHangs = "hangs, most likely in the stage";

// Of a moment of the clock that lanes are timed by.
std::chrono::system_clock::time_point wall_time(std::chrono::steady_clock::time_point time);

class LaneWatch {
 public:
  using Lanes = std::vector<std::unique_ptr<Lane>>;

  // `metrics`, of the lanes, and `log` are borrowed and outlive this. `longer_calls`: by how much
  // more than by default brokers that are silent may hold a lane, which doesn't hang for that.
  LaneWatch(std::string bootstrap, std::chrono::milliseconds longer_calls, const Metrics& metrics,
            const Log& log)
      : bootstrap_(std::move(bootstrap)),
        longer_calls_(longer_calls),
        metrics_(metrics),
        log_(log) {}

  // One thread calls it, every moment while there are lanes, always the same. Into the log goes
  // each change since the last look: the brokers are silent, and since when, or answer again; a
  // lane hangs, or goes on after all; and that the whole process stood still meanwhile.
  void look(const Lanes& lanes);

  // As of the last look, for the thread that looks.
  bool is_cut_off() const { return is_cut_off_; }

  bool any_hangs() const;

  // By now; any thread.
  bool hangs(const Lane& lane) const;

 private:
  void note_silence(const Lanes& lanes);
  void note_standstill();
  void note_hangs(const Lanes& lanes);

  const std::string bootstrap_;
  const std::chrono::milliseconds longer_calls_;
  const Metrics& metrics_;
  const Log& log_;
  bool is_cut_off_ = false;
  std::vector<bool> are_hanging_;  // by lane
  std::chrono::steady_clock::time_point looked_ = std::chrono::steady_clock::now();
  std::atomic<std::chrono::steady_clock::time_point> went_on_{
      std::chrono::steady_clock::time_point()};
};

}  // namespace weir
