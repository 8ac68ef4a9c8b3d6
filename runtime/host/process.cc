#include "host/process.h"

#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <mutex>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "host/broker_watch.h"
#include "host/build.h"
#include "host/command_line.h"
#include "host/disk_watch.h"
#include "host/end_watch.h"
#include "host/input_ends.h"
#include "host/kafka_settings.h"
#include "host/lane_watch.h"
#include "host/preflight.h"
#include "host/run_file.h"
#include "host/signals.h"
#include "http/endpoint.h"
#include "http/status_page.h"
#include "state/file_lock.h"
#include "state/rocksdb_stores.h"
#include "text/quantity.h"

namespace weir {

namespace {

using std::chrono::steady_clock;

constexpr std::chrono::milliseconds kWatchEvery{100};
// Longer than RunEntry::held_lock() takes.
constexpr std::chrono::milliseconds kLookMax{50};
// What lanes have to end when a second signal comes.
constexpr std::chrono::seconds kEndAtOnceMax{3};
// What they have when one failed: a request that is under way, their drain, and their leaving. And
// each has for the last two, lest brokers that don't answer keep it.
constexpr std::chrono::seconds kEndAfterFailureMax = kDrainWaitMax + std::chrono::seconds(20);

// Two with one transactional id would fence each other for ever.
Result<FileLock> lock_instance(const config::Deployment& deployment) {
  const std::filesystem::path file = lock_file(deployment);
  Result<FileLock> lock = FileLock::acquire(file);
  if (!lock.is_ok() &&
      lock.status().remedy() == Remedy::retry) {  // `weir status` may have looked just now
    std::this_thread::sleep_for(kLookMax);
    lock = FileLock::acquire(file);
  }
  if (lock.is_ok() || lock.status().remedy() != Remedy::retry) {
    return lock;
  }
  return Status::stop(
      ExitCode::temporary,
      fmt::format(
          "{}: instance \"{}\" runs already on this host. Stop it, or give this one another "
          "name (`instance:` or WEIR__INSTANCE)",
          lock.status().message(), deployment.instance));
}

class Process {
 public:
  Process(const config::Deployment& deployment, const StageSpec& spec, RunOptions options)
      : deployment_(deployment),
        spec_(spec),
        options_(std::move(options)),
        log_(deployment.id, deployment.log_level, deployment.instance),
        metrics_(
            {.deployment = deployment.id, .version = deployment.version, .build = kBuildVersion}),
        run_file_(deployment) {}

  Status run() {
    const Result<FileLock> lock = lock_instance(deployment_);
    if (!lock.is_ok() && lock.status().exit_code() == ExitCode::temporary) {
      log_end(lock.status());  // for `weir status` the entry is the holder's
      return lock.status();
    }
    Result<LanePlan> plan = plan_lane(deployment_, spec_);
    const Result<std::unique_ptr<Endpoint>> endpoint = serve();
    Status fit = together({lock.status(), plan.status(), check_stage(deployment_, spec_),
                           check_trusted_offsets(deployment_, options_.trusted_offsets),
                           raise_open_files_max(deployment_.lanes), endpoint.status()});
    if (!lock.is_ok()) {
      run_file_.failed_without_lock(fit);
      log_end(fit);
      return fit;
    }
    Status ended = fit.is_ok() ? run_alone(std::move(plan).value(), endpoint.value().get()) : fit;
    note_end(ended);
    return ended;
  }

 private:
  // `endpoint` is null where there is none.
  Status run_alone(LanePlan plan, const Endpoint* endpoint) {
    plan.settings.until = options_.until;
    plan.settings.trusted_offsets = options_.trusted_offsets;
    plan.settings.left_at = std::make_shared<OffsetsLeft>();
    const std::string address =
        endpoint ? fmt::format("{}:{}", deployment_.http->host, endpoint->port()) : "";
    if (!run_file_.started(address)) {
      log_.warning("weir status can't know how this process is: can't write into run of its state",
                   {{"state", deployment_.state}});
    }
    log_.info("starting", {{"version", std::to_string(deployment_.version)},
                           {"build", kBuildVersion},
                           {"http", address},
                           {"file", deployment_.file}});
    const KafkaSettings kafka = kafka_settings(deployment_, log_);
    longer_calls_ =
        std::max(longer_calls_, kafka.transaction_age_max - SinkSettings().transaction_age_max);
    {
      const std::lock_guard hold(lanes_mutex_);
      bootstrap_ = kafka.cluster.bootstrap;
    }
    InputEnds ends = InputEnds::of(plan, kafka.cluster);
    Status checked = wait_for_topics(plan, kafka.cluster, ends);
    if (!checked.is_ok() || is_told_to_stop_) {
      return checked;
    }
    RocksdbStores stores(deployment_.state_directory());
    {
      const std::lock_guard hold(lanes_mutex_);
      lane_watch_ = std::make_unique<LaneWatch>(bootstrap_, longer_calls_, metrics_, log_);
    }
    for (int i = 0; i < deployment_.lanes; ++i) {
      auto lane = std::make_unique<Lane>(i, deployment_, spec_, plan, kafka, stores, metrics_, log_,
                                         options_);
      const std::lock_guard hold(lanes_mutex_);
      lanes_.push_back(std::move(lane));
    }
    EndWatch end_watch(std::move(ends), options_.silence_max, metrics_, log_);
    Status ended = watch(end_watch);
    set_state(ended.is_ok() ? ProcessState::draining : ProcessState::failed);
    is_drained_ = std::all_of(lanes_.begin(), lanes_.end(),
                              [](const auto& lane) { return lane->is_drained(); });
    const std::lock_guard hold(lanes_mutex_);
    lanes_.clear();
    return ended;
  }

  // For `weir status` and for the log.
  void note_end(const Status& ended) {
    if (ended.is_ok()) {
      run_file_.ended_well();
    } else {
      run_file_.failed(ended);
    }
    log_end(ended);
  }

  void log_end(const Status& ended) const {
    const std::string outcome = !ended.is_ok() ? ended.message()
                                : is_drained_  ? "drained"
                                               : std::string(kLeftOpen);
    const std::string exit_code = std::to_string(static_cast<int>(exit_code_of(ended)));
    const TurnCounts counts = metrics_.totals();
    const LogFields fields{{"outcome", outcome},
                           {"exit_code", exit_code},
                           {"records_in", std::to_string(counts.records_in)},
                           {"outputs", std::to_string(counts.outputs)},
                           {"duplicates", std::to_string(counts.duplicates)},
                           {"dropped", std::to_string(counts.dropped)},
                           {"dead_letters", std::to_string(counts.dead_letters)}};
    if (ended.is_ok()) {
      log_.info("ended", fields);
    } else {
      log_.error("ended", fields);
    }
  }

  // An endpoint, or none where the deployment has it off.
  Result<std::unique_ptr<Endpoint>> serve() {
    if (!deployment_.http) {
      return std::unique_ptr<Endpoint>();
    }
    Endpoint::Settings settings;
    settings.address = deployment_.http->host;
    settings.port = deployment_.http->port;
    return Endpoint::start(settings,
                           {{"/metrics", [this] { return metrics_.exposition(); }},
                            {"/status.json", [this] { return status_document(status()); }},
                            {"/-/healthy", [this] { return health_check(status()); }},
                            {"/-/ready", [this] { return ready_check(status()); }},
                            {"/", [this] { return status_page(status()); }}});
  }

  ProcessStatus status() {
    ProcessStatus status;
    status.deployment = deployment_.id;
    status.version = deployment_.version;
    status.build = kBuildVersion;
    status.started = started_;
    const std::lock_guard hold(lanes_mutex_);
    status.bootstrap = bootstrap_;
    status.dead_letters = metrics_.dead_letters();
    status.dead_letters.topic = deployment_.dead_letters();
    status.lanes = metrics_.lanes();
    status.state = state_;
    status.ready = state_ == ProcessState::running;
    for (std::size_t i = 0; i < lanes_.size(); ++i) {
      if (!lanes_[i]->is_ready()) {
        status.ready = false;
        const std::string obstacle = lanes_[i]->obstacle();
        status.reasons.push_back(
            fmt::format("lane {}: {}", i,
                        lanes_[i]->has_ended() ? "has ended"
                        : obstacle.empty()
                            ? waiting_text(status.lanes[i], wall_time(lanes_[i]->unready_since()))
                            : obstacle));
      }
      if (lane_watch_->hangs(*lanes_[i])) {
        status.ready = false;
        status.reasons.push_back(fmt::format(
            "lane {} {}, since {}, at records from {} on; a second SIGTERM ends it, and the next "
            "start repeats them",
            i, kHangs, rfc3339(wall_time(lanes_[i]->last_beat())),
            committed_text(status.lanes[i].partitions)));
      }
    }
    if (!status.ready && status.reasons.empty()) {
      status.reasons.push_back(why_not_ready_.empty() ? std::string(name_of(state_))
                                                      : why_not_ready_);
    }
    return status;
  }

  // Into the log, before a write finds no room.
  void note_disk_room() {
    const std::optional<DiskRoom> room = disk_room(deployment_.state);
    switch (room ? disk_watch_.observe(*room) : DiskWatch::News::none) {
      case DiskWatch::News::low:
        log_.warning("the disk of the state is nearly full: a write that finds no room ends this",
                     {{"state", deployment_.state}, {"free", room->text()}});
        break;
      case DiskWatch::News::recovered:
        log_.info("the disk of the state has room again",
                  {{"state", deployment_.state}, {"free", room->text()}});
        break;
      case DiskWatch::News::none:
        break;
    }
  }

  // Whoever finds this process gone wants to know since when.
  void note_alive() {
    if (const auto now = steady_clock::now(); now - seen_ >= RunFile::kSeenEvery) {
      seen_ = now;
      run_file_.alive(state_ == ProcessState::running);
      note_disk_room();
    }
  }

  void set_state(ProcessState state, std::string why_not_ready = "") {
    const std::lock_guard hold(lanes_mutex_);
    state_ = state;
    why_not_ready_ = std::move(why_not_ready);
    metrics_.set_state(state);
  }

  // While nothing runs that could be drained.
  bool is_signalled(std::chrono::milliseconds wait_max) const {
    const auto signal = signals_.wait(wait_max);
    if (signal) {
      log_.info("told to end before it began", {{"signal", *signal}});
    }
    return signal.has_value();
  }

  // Whoever waits for a batch must not take it for done.
  static Status told_too_early() {
    return Status::stop(ExitCode::temporary,
                        "told to end before all of the input was done: the next run goes on");
  }

  // Of a batch whose lanes ended well, before it was known that all is done.
  static Status judge_end(EndWatch& ends) {
    WEIR_TRY_ASSIGN(const bool is_done, ends.is_done_at_last());
    return is_done ? Status::ok() : told_too_early();
  }

  // Then `ends` have had their look, if they will be asked.
  Status wait_for_topics(const LanePlan& plan, const ClusterSettings& cluster, InputEnds& ends) {
    auto admin = std::make_unique<KafkaAdmin>(cluster);
    const auto describe = [&](const std::string& topic) {
      note_alive();
      return admin->describe(topic);
    };
    const auto give_up_at = steady_clock::now() + options_.silence_max;
    while (true) {
      Status checked = check_topics(deployment_, plan, cluster.bootstrap, describe,
                                    [&] { return admin->topics(); });
      if (checked.is_ok() && options_.until_end) {
        checked = ends.look([&] {
          note_alive();
          is_told_to_stop_ = is_told_to_stop_ || is_signalled(std::chrono::milliseconds(0));
          return !is_told_to_stop_;
        });
      }
      if (is_told_to_stop_) {
        return told_too_early();
      }
      if (checked.is_ok() || checked.remedy() != Remedy::retry) {
        return checked;
      }
      log_.warning(kBrokerIsSilent, {{"bootstrap.servers", cluster.bootstrap},
                                     {"since", rfc3339(started_)},
                                     {"why", checked.message()}});
      checked = checked.within("bootstrap.servers " + cluster.bootstrap);
      set_state(ProcessState::starting, checked.message());
      const std::optional<Attempt> next = next_attempt(
          std::chrono::duration_cast<std::chrono::milliseconds>(give_up_at - steady_clock::now()),
          cluster.request_wait_max);
      if (!next) {
        return Status::stop(
            ExitCode::unavailable,
            fmt::format("no answer from the brokers for {} s: {}; bootstrap.servers is set by: {}; "
                        "security.protocol says how they are spoken to",
                        options_.silence_max.count(), checked.message(), cluster.bootstrap_origin));
      }
      if (is_signalled(next->pause)) {
        is_told_to_stop_ = true;
        return options_.until_end ? told_too_early() : Status::ok();
      }
      if (next->request_wait_max < cluster.request_wait_max) {
        ClusterSettings hurried = cluster;
        hurried.request_wait_max = next->request_wait_max;
        admin = std::make_unique<KafkaAdmin>(hurried);
      }
    }
  }

  bool restores() const {
    for (const LaneStatus& lane : metrics_.lanes()) {
      for (const PartitionStatus& partition : lane.partitions) {
        if (partition.phase == PartitionPhase::restoring) {
          return true;
        }
      }
    }
    return false;
  }

  // Until all lanes ended: by themselves, because one had to stop, because all is done or nobody
  // tells whether it is, or because a signal came. After a second signal, or some time after the
  // first failure, or where it still leaves after some time, a lane that hangs is left behind, and
  // with it this process.
  Status watch(EndWatch& ends) {
    Status failed;
    bool is_told = false;
    bool all_done = false;
    auto leave_at = steady_clock::time_point::max();
    // A lane that goes on leaving for longer.
    const auto is_any_leaving = [&](steady_clock::duration longer_than) {
      const auto before = steady_clock::now() - longer_than;
      return std::any_of(lanes_.begin(), lanes_.end(), [before](const auto& lane) {
        return !lane->has_ended() && lane->leaving_since() <= before;
      });
    };
    const auto fail = [&](const Status& why) {
      failed = why;
      leave_at = std::min(leave_at, steady_clock::now() + kEndAfterFailureMax + longer_calls_);
      if (failed.exit_code() == ExitCode::broken) {
        metrics_.count_invariant_violation();
      }
      ends.stop();
      for (const auto& lane : lanes_) {
        lane->stop();
      }
    };
    while (true) {
      note_alive();
      if (const auto signal = signals_.wait(kWatchEvery)) {
        log_.info(is_told ? "told again, ending at once" : "told to end, draining",
                  {{"signal", *signal}});
        for (const auto& lane : lanes_) {
          is_told ? lane->stop_at_once() : lane->stop();
        }
        leave_at = is_told ? std::min(leave_at, steady_clock::now() + kEndAtOnceMax) : leave_at;
        is_told = true;
        ends.stop();
      }
      lane_watch_->look(lanes_);
      bool all_ended = true;
      bool all_ready = true;
      bool all_at_end = true;
      for (const auto& lane : lanes_) {
        all_ended = all_ended && lane->has_ended();
        all_ready = all_ready && lane->is_ready();
        all_at_end = all_at_end && lane->is_at_end();
        if (failed.is_ok() && lane->has_ended() && !lane->outcome().is_ok()) {
          fail(lane->outcome());
        }
      }
      if (all_ended) {
        return failed.is_ok() && options_.until_end && !all_done ? judge_end(ends) : failed;
      }
      const Result<bool> is_done = ends.is_done(steady_clock::now(), all_at_end);
      if (!is_done.is_ok()) {
        fail(is_done.status());
      } else if (is_done.value()) {
        all_done = true;
        for (const auto& lane : lanes_) {
          lane->stop();
        }
      }
      if (steady_clock::now() >= leave_at || is_any_leaving(kEndAfterFailureMax + longer_calls_)) {
        bool any_in_stage = false;
        for (const LaneStatus& lane : metrics_.lanes()) {
          const Lane& behind = *lanes_[static_cast<std::size_t>(lane.index)];
          if (!behind.has_ended()) {
            const bool is_leaving = behind.leaving_since() <= steady_clock::now();
            any_in_stage = any_in_stage || (!is_leaving && !lane.partitions.empty());
            log_.warning("lane left behind", {{"lane", std::to_string(lane.index)},
                                              {"committed", committed_text(lane.partitions)}});
          }
        }
        const bool is_for_brokers =
            lane_watch_->is_cut_off() || (!any_in_stage && is_any_leaving({}));
        const std::string left =
            fmt::format("a lane {}: {}",
                        is_for_brokers ? "waits for brokers that are silent"
                        : any_in_stage ? kHangs
                                       : "did not end, before it was given partitions",
                        kLeftOpen);
        const Status ended =
            failed.is_ok()
                ? Status::stop(ExitCode::temporary, left)
                : Status::stop(exit_code_of(failed), fmt::format("{}\n{}", failed.message(), left));
        note_end(ended);
        ::_exit(static_cast<int>(exit_code_of(ended)));
      }
      set_state(!failed.is_ok() || lane_watch_->any_hangs() ? ProcessState::failed
                : is_told                                   ? ProcessState::draining
                : all_ready                                 ? ProcessState::running
                : restores()                                ? ProcessState::restoring
                                                            : ProcessState::waiting);
    }
  }

  const config::Deployment& deployment_;
  const StageSpec& spec_;
  const RunOptions options_;
  const std::chrono::system_clock::time_point started_ = std::chrono::system_clock::now();
  const Signals signals_;
  const Log log_;
  Metrics metrics_;
  RunFile run_file_;
  DiskWatch disk_watch_;
  // While brokers are silent, sending offsets takes as long as a transaction may last: what the
  // bounds on lanes must be raised by where that is set to more than its default.
  std::chrono::milliseconds longer_calls_{0};
  steady_clock::time_point seen_ = steady_clock::now();
  bool is_told_to_stop_ = false;
  bool is_drained_ = true;
  // The endpoint's thread asks while main's changes.
  std::mutex lanes_mutex_;
  ProcessState state_ = ProcessState::starting;
  std::string why_not_ready_;
  std::string bootstrap_;                  // empty before the start
  std::unique_ptr<LaneWatch> lane_watch_;  // where there are lanes
  std::vector<std::unique_ptr<Lane>> lanes_;
};

}  // namespace

Status run_process(const config::Deployment& deployment, const StageSpec& spec,
                   RunOptions options) {
  return Process(deployment, spec, std::move(options)).run();
}

}  // namespace weir
