// One lane as a thread: a consumer, a producer, a loop, and when it pauses or ends.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <utility>

#include "assembly/lane_plan.h"
#include "config/deployment.h"
#include "host/kafka_settings.h"
#include "host/lane_probe.h"
#include "host/log.h"

namespace weir {

class Loop;

// What the command line of `run` says.
struct RunOptions {
  bool until_end = false;  // of every partition, then drain
  // With `until_end`: records stamped at or after it stay unread. nullopt: all that is there.
  std::optional<Timestamp> until;
  // How long the brokers may stay silent at the start, or with `until_end` ever, before that is the
  // outcome (69).
  std::chrono::seconds silence_max{60};
  // As LaneSettings'.
  std::map<std::pair<std::string, std::int32_t>, NextOffset> trusted_offsets;
};

// How long a lane that is told to stop tries to commit its turn while brokers don't answer. Then it
// leaves its group, and leaving tries for Limits::revoke_wait_max more.
inline constexpr std::chrono::seconds kDrainWaitMax{10};

inline constexpr std::string_view kLeftOpen =
    "left with an open turn: the next start repeats it, unless Kafka committed it";

// Runs from construction. The destructor drains and joins. Others talk to it through stop() and the
// questions, which any thread may ask.
class Lane {
 public:
  // `deployment`, `spec`, `stores`, `metrics` and `log` are borrowed and outlive the lane.
  Lane(int index, const config::Deployment& deployment, const StageSpec& spec, LanePlan plan,
       KafkaSettings kafka, SegmentStores& stores, Metrics& metrics, const Log& log,
       RunOptions options);
  ~Lane();
  Lane(const Lane&) = delete;
  Lane& operator=(const Lane&) = delete;

  // Drains and ends soon.
  void stop() { stopping_ = true; }

  // As stop(), but the open turn is tried only once before the lane leaves its group. Leaving may
  // still take as long as Limits::revoke_wait_max; whoever can't wait leaves the lane behind.
  void stop_at_once() { stopping_ = stopping_at_once_ = true; }

  bool has_ended() const { return has_ended_; }

  // After has_ended: ok, or why it ended before it was told to, or with what is to be mended.
  const Status& outcome() const { return outcome_; }

  // After has_ended with an outcome of ok: no turn was left uncommitted, for the next start to
  // repeat.
  bool is_drained() const { return is_drained_; }

  // Since when no stage is called any more, and the last turn is committed; max: not yet.
  std::chrono::steady_clock::time_point leaving_since() const { return leaving_since_; }

  bool is_ready() const { return is_ready_; }

  // When it began not to be ready, if it isn't.
  std::chrono::steady_clock::time_point unready_since() const { return unready_since_; }

  // With `options.until_end`: what it owns is read to its end and committed. It goes on owning it
  // until stop(): one that left while others are still joining would keep them waiting, for the
  // group remembers a static member until its session ends.
  bool is_at_end() const { return is_at_end_; }

  // The brokers haven't answered for a while, idle as the lane may be.
  bool is_cut_off() const { return is_cut_off_; }

  // When one of them last did.
  std::chrono::steady_clock::time_point last_answer() const { return last_answer_; }

  // What it waits for while it isn't ready, where that is a failure, and for how long; else empty.
  std::string obstacle() const;

  // When the lane's thread last came by, or began to wait for brokers. A lane that hangs in a stage
  // shows here.
  std::chrono::steady_clock::time_point last_beat() const { return probe_.last_beat(); }

 private:
  void run();
  Status run_loop();
  Status leave(Loop& loop);  // what is open is committed, or left; stop: as Loop::drain()
  void set_obstacle(std::string_view obstacle, std::chrono::steady_clock::time_point since);
  void pause(std::chrono::milliseconds time) const;

  const int index_;
  const config::Deployment& deployment_;
  const StageSpec& spec_;
  const LanePlan plan_;
  const KafkaSettings kafka_;
  SegmentStores& stores_;
  const Log& log_;
  const RunOptions options_;
  LaneProbe probe_;
  std::atomic<bool> stopping_ = false;
  std::atomic<bool> stopping_at_once_ = false;
  std::atomic<bool> has_ended_ = false;
  std::atomic<bool> is_ready_ = false;
  std::atomic<std::chrono::steady_clock::time_point> unready_since_{
      std::chrono::steady_clock::now()};
  std::atomic<bool> is_at_end_ = false;
  std::atomic<bool> is_cut_off_ = false;
  std::atomic<std::chrono::steady_clock::time_point> last_answer_{std::chrono::steady_clock::now()};
  mutable std::mutex obstacle_mutex_;
  std::string obstacle_;
  std::chrono::steady_clock::time_point obstacle_since_;
  Status outcome_;
  bool is_drained_ = true;
  std::atomic<std::chrono::steady_clock::time_point> leaving_since_{
      std::chrono::steady_clock::time_point::max()};
  std::thread thread_;
};

}  // namespace weir
