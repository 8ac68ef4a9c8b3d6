#include "host/lane.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "codec/lane_codec.h"
#include "host/broker_watch.h"
#include "kafka/sink.h"
#include "kafka/source.h"
#include "loop/loop.h"

namespace weir {

namespace {

using std::chrono::steady_clock;

constexpr std::chrono::milliseconds kRetryPauseMin{50};
constexpr std::chrono::milliseconds kRetryPauseMax{1000};
constexpr std::chrono::seconds kRetryLoggedEvery{10};
// An obstacle that was met only just isn't counted in seconds.
constexpr std::chrono::seconds kObstacleCounted{3};

class SteadyClock final : public Clock {
 public:
  steady_clock::time_point now() override { return steady_clock::now(); }
};

std::vector<MetricsProbe::Input> probe_inputs(const LanePlan& plan) {
  std::vector<MetricsProbe::Input> inputs;
  for (const InputSettings& input : plan.settings.inputs) {
    inputs.push_back({input.name, input.topic});
  }
  return inputs;
}

SourceSettings source_settings(const LanePlan& plan, const KafkaSettings& kafka,
                               const std::string& instance) {
  SourceSettings settings;
  settings.cluster = kafka.cluster;
  settings.group = plan.settings.group;
  settings.instance = instance;
  settings.inputs = plan.input_topics;
  settings.session_silence_max = kafka.session_silence_max;
  settings.poll_silence_max = kafka.poll_silence_max;
  return settings;
}

SinkSettings sink_settings(const LanePlan& plan, const KafkaSettings& kafka,
                           const std::string& transactional_id) {
  SinkSettings settings;
  settings.cluster = kafka.cluster;
  settings.group = plan.settings.group;
  settings.transactional_id = transactional_id;
  settings.inputs = plan.input_topics;
  settings.outputs = plan.output_topics;
  settings.transaction_age_max = kafka.transaction_age_max;
  return settings;
}

}  // namespace

Lane::Lane(int index, const config::Deployment& deployment, const StageSpec& spec, LanePlan plan,
           KafkaSettings kafka, SegmentStores& stores, Metrics& metrics, const Log& log,
           RunOptions options)
    : index_(index),
      deployment_(deployment),
      spec_(spec),
      plan_(std::move(plan)),
      kafka_(std::move(kafka)),
      stores_(stores),
      log_(log),
      options_(std::move(options)),
      probe_(metrics, index, probe_inputs(plan_), log),
      thread_([this] { run(); }) {}

Lane::~Lane() {
  stop();
  thread_.join();
}

void Lane::run() {
  outcome_ = run_loop();
  is_ready_ = false;
  if (!outcome_.is_ok()) {
    log_.error("lane ended", {{"lane", std::to_string(index_)},
                              {"why", outcome_.message()},
                              {"committed", committed_text(probe_.partitions())}});
  }
  has_ended_ = true;
}

// A broker that doesn't answer is waited for; only a stop ends the lane.
Status Lane::run_loop() {
  WEIR_TRY_ASSIGN(const std::unique_ptr<Stage> stage, spec_.make_stage(deployment_.options.get()));
  WEIR_TRY_ASSIGN(const std::unique_ptr<LaneCodec> codec,
                  LaneCodec::make(plan_.formats, [this](std::string_view name) {
                    log_.info_once("unknown field in the input", "field", std::string(name));
                  }));
  WEIR_TRY_ASSIGN(
      const std::unique_ptr<DeathLedger> deaths,
      DeathLedger::open(fmt::format("{}/lane-{}.deaths", deployment_.state_directory(), index_)));
  const std::string id = deployment_.transactional_id(index_);
  KafkaSource source(source_settings(plan_, kafka_, id));
  KafkaSink sink(sink_settings(plan_, kafka_, id));
  SteadyClock clock;
  Loop loop(plan_.settings,
            LoopParts{source, sink, *codec, *stage, stores_, *deaths, clock, probe_});

  const std::string silence = fmt::format("{} at {}", kBrokerIsSilent, kafka_.cluster.bootstrap);
  bool is_starting = true;
  bool is_recovering = false;
  auto pause_next = kRetryPauseMin;
  auto failing_since = steady_clock::time_point::max();  // not
  auto cut_off_since = steady_clock::time_point::max();  // not
  auto last_logged = steady_clock::time_point();
  BrokerWatch brokers;
  while (!stopping_) {
    probe_.beat();
    Status done = loop.advance();
    is_starting = is_starting && !done.is_ok();
    if (is_starting && done.remedy() != Remedy::stop) {
      source.knock();  // or its client asks nothing before it is a member
    }
    // Of the two clients the source's is the one that asks all the time.
    brokers.observe(clock.now(), source.is_reachable(), source.last_answer(),
                    is_starting || probe_.has_partitions());
    last_answer_ = source.last_answer();
    is_cut_off_ = brokers.is_cut_off();
    probe_.set_cut_off(is_cut_off_);
    const bool is_ready = done.is_ok() && loop.is_ready() && !is_cut_off_;
    if (is_ready_ && !is_ready) {
      unready_since_ = clock.now();
    }
    is_ready_ = is_ready;
    const bool has_reached_end = done.is_ok() && options_.until_end && loop.has_reached_end();
    if (has_reached_end) {
      done = loop.drain();  // a failure of it is recovered from as any other
    }
    is_at_end_ = has_reached_end && done.is_ok();
    if (done.is_ok()) {
      set_obstacle(is_cut_off_ ? silence : "", last_answer_);
      is_recovering = false;
      pause_next = kRetryPauseMin;
      failing_since = steady_clock::time_point::max();
      // A member whose session the brokers' silence ended owns nothing, and so nothing of it fails.
      // Not since the last answer: a process may have stood still after that.
      cut_off_since =
          is_cut_off_ ? std::min(cut_off_since, clock.now()) : steady_clock::time_point::max();
      if (options_.until_end && clock.now() - cut_off_since > options_.silence_max) {
        return Status::stop(ExitCode::unavailable, silence);
      }
      continue;
    }
    // Not since the last success: a process may have stood still after that.
    failing_since = std::min(failing_since, clock.now());
    if (done.remedy() == Remedy::stop) {
      return done;
    }
    if (is_cut_off_) {
      set_obstacle(silence, last_answer_);
    } else {
      set_obstacle(done.message(), failing_since);
    }
    if (clock.now() - last_logged >= kRetryLoggedEvery) {
      last_logged = clock.now();
      log_.warning("not done yet, trying again", {{"lane", std::to_string(index_)},
                                                  {"remedy", std::string(name_of(done.remedy()))},
                                                  {"why", done.message()}});
    }
    if (options_.until_end && clock.now() - failing_since > options_.silence_max) {
      return Status::stop(ExitCode::unavailable, done.message());
    }
    // A failure of a kind other than retry is recovered from at once, unless the recovery failed.
    if (done.remedy() == Remedy::retry || is_recovering) {
      pause(pause_next);
      pause_next = std::min(pause_next * 2, kRetryPauseMax);
    }
    is_recovering = done.remedy() != Remedy::retry;
  }

  return leave(loop);
}

Status Lane::leave(Loop& loop) {
  leaving_since_ = steady_clock::now();
  const auto deadline = steady_clock::now() + kDrainWaitMax;
  Status drained = loop.drain();
  while (!drained.is_ok() && drained.remedy() == Remedy::retry && steady_clock::now() < deadline &&
         !stopping_at_once_) {
    pause(kRetryPauseMin);
    probe_.beat();
    drained = loop.drain();
  }
  const Status left = loop.leave();
  is_drained_ = left.is_ok();
  if (!is_drained_) {
    log_.warning(kLeftOpen, {{"lane", std::to_string(index_)}, {"why", left.message()}});
  }
  // Its turn may be in Kafka all the same, when the disk is full.
  return !drained.is_ok() && drained.remedy() == Remedy::stop ? drained : Status::ok();
}

void Lane::set_obstacle(std::string_view obstacle, steady_clock::time_point since) {
  const std::lock_guard hold(obstacle_mutex_);
  obstacle_ = obstacle;
  obstacle_since_ = since;
}

std::string Lane::obstacle() const {
  const std::lock_guard hold(obstacle_mutex_);
  const auto lasts =
      std::chrono::floor<std::chrono::seconds>(steady_clock::now() - obstacle_since_);
  return obstacle_.empty() || lasts < kObstacleCounted
             ? obstacle_
             : fmt::format("{}, for {} s now", obstacle_, lasts.count());
}

void Lane::pause(std::chrono::milliseconds time) const {
  const auto until = steady_clock::now() + time;
  while (!stopping_at_once_ && steady_clock::now() < until) {
    std::this_thread::sleep_for(std::min<steady_clock::duration>(until - steady_clock::now(),
                                                                 std::chrono::milliseconds(20)));
  }
}

}  // namespace weir
