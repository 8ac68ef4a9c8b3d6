#include "host/preflight.h"

#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "host/command_line.h"
#include "text/quantity.h"
#include "text/words.h"

namespace weir {

namespace {

// How far ahead a producer may stamp where no window here depends on it, but one downstream may:
// what brokers allow since Kafka 4.0 unless told otherwise.
constexpr std::chrono::milliseconds kAheadMaxWithoutWindow = std::chrono::hours(1);

// The command that creates what the deployment of `file` needs.
std::string apply_command(const std::string& file) {
  return fmt::format("{} topics apply {}", tool_command(), file);
}

std::string creation(const config::Deployment& deployment) {
  return fmt::format("create what {} needs with: {}", deployment.id,
                     apply_command(deployment.file));
}

// `meant`: did_you_mean() of the topics that are there.
std::string missing_input(const config::Deployment& deployment, const config::Input& input,
                          const std::string& meant) {
  if (input.version > 0) {
    return fmt::format(
        "topic {} doesn't exist; it is version {} of the dataset {}, which the deployment that "
        "writes it creates: is `version` of inputs.{} right{}",
        input.topic, input.version, input.dataset, input.name, meant.empty() ? "?" : meant);
  }
  return fmt::format("topic {} doesn't exist{} If it is meant to be new, {}", input.topic,
                     meant.empty() ? "; is the name right?" : meant, creation(deployment));
}

struct Counted {
  std::string topic;
  std::int32_t partitions = 0;
};

std::string names_of(std::span<const Counted> topics) {
  std::vector<std::string> names;
  for (const Counted& topic : topics) {
    names.push_back(topic.topic);
  }
  return fmt::format("{}", fmt::join(names, ", "));
}

// `derived` follow `input` partition by partition. All are created alike, so one that differs from
// all others is the one that was changed.
void check_partitions(const config::Deployment& deployment, const Counted& input,
                      std::span<const Counted> derived, std::vector<std::string>& wrong) {
  const std::string way_out = fmt::format(
      "A record goes to the partition that it came from: raise `version:` in {} and run: {}, which "
      "creates the new version's topics alike",
      deployment.file, apply_command(deployment.file));
  const bool all_agree = std::all_of(derived.begin(), derived.end(), [&](const Counted& topic) {
    return topic.partitions == derived.front().partitions;
  });
  if (all_agree && derived.size() > 1 && derived.front().partitions != input.partitions) {
    wrong.push_back(fmt::format(
        "topic {} has {} partitions, but all that follow it have {} ({}): its number was changed "
        "after they were created, most likely. {}",
        input.topic, input.partitions, derived.front().partitions, names_of(derived), way_out));
    return;
  }
  const auto alike = std::find_if(derived.begin(), derived.end(), [&](const Counted& topic) {
    return topic.partitions == input.partitions;
  });
  for (const Counted& topic : derived) {
    if (topic.partitions != input.partitions) {
      wrong.push_back(fmt::format(
          "topic {} has {} partitions, but its input {} has {}: {}. {}; or, where {} is still "
          "empty, delete it and apply again",
          topic.topic, topic.partitions, input.topic, input.partitions,
          alike == derived.end()
              ? std::string("which of them was changed can't be told from here")
              : fmt::format("{} has as many as the input, so {} was created or changed by itself",
                            alike->topic, topic.topic),
          way_out, topic.topic));
    }
  }
}

}  // namespace

Status together(const std::vector<Status>& checks) {
  std::vector<std::string> wrong;
  std::optional<ExitCode> exit_code;
  for (const Status& checked : checks) {
    if (!checked.is_ok()) {
      wrong.push_back(checked.message());
      exit_code = exit_code.value_or(exit_code_of(checked));
    }
  }
  return exit_code ? Status::stop(*exit_code, fmt::format("{}", fmt::join(wrong, "\n")))
                   : Status::ok();
}

Status check_stage(const config::Deployment& deployment, const StageSpec& spec) {
  const auto stage = spec.make_stage(deployment.options.get());
  return stage.is_ok() ? Status::ok() : stage.status().within(deployment.file);
}

Status check_trusted_offsets(
    const config::Deployment& deployment,
    const std::map<std::pair<std::string, std::int32_t>, NextOffset>& offsets) {
  std::vector<std::string> topics;
  for (const config::Input& input : deployment.inputs) {
    topics.push_back(input.topic);
  }
  for (const auto& [where, offset] : offsets) {
    const std::string& topic = where.first;
    const std::string said =
        fmt::format("--trust-offset {}/{}={}: ", topic, where.second, offset.value());
    const auto input = std::find_if(deployment.inputs.begin(), deployment.inputs.end(),
                                    [&](const config::Input& i) { return i.topic == topic; });
    if (input == deployment.inputs.end()) {
      return Status::stop(ExitCode::usage, fmt::format("{}{} reads {}", said, deployment.id,
                                                       fmt::join(topics, ", ")));
    }
    if (input->dedup && input->dedup->window) {
      return Status::stop(ExitCode::usage,
                          said +
                              "with dedup nobody can know what lies in its window: deploy a new "
                              "version (raise `version:`)");
    }
  }
  return Status::ok();
}

Status raise_open_files_max(int lanes) {
  // Of one partition a lane, with a few brokers: what a process was seen to take.
  constexpr rlim_t kForProcess = 48;
  constexpr rlim_t kForLane = 32;
  const rlim_t needed = kForProcess + kForLane * static_cast<rlim_t>(lanes);
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  if (limit.rlim_max < needed) {
    return Status::stop(
        ExitCode::config,
        fmt::format("this process may have {} files open, and with lanes: {} it takes {} at least: "
                    "raise its hard limit (ulimit -n, LimitNOFILE=)",
                    limit.rlim_max, lanes, needed));
  }
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
  return Status::ok();
}

Status check_input_topic(const config::Deployment& deployment, const config::Input& input,
                         const TopicDescription& topic, std::string_view bootstrap) {
  const TopicFacts facts = facts_of(topic);
  if (facts.is_compacted) {
    return Status::stop(
        ExitCode::config,
        fmt::format("topic {} is compacted: records vanish from its log, so it can't be read again "
                    "to the same result. Use a topic with cleanup.policy=delete",
                    input.topic));
  }
  const bool has_window = input.dedup && input.dedup->window;
  // A root has a clock of its own; other outputs are stamped with the input's stream time.
  const bool passes_time_on =
      std::any_of(deployment.outputs.begin(), deployment.outputs.end(),
                  [](const config::Output& output) { return !output.root; });
  // A versioned topic is written by weir, with the stream time of its root.
  if (!(has_window || passes_time_on) || input.version > 0 || facts.has_broker_timestamps) {
    return Status::ok();
  }
  const std::chrono::milliseconds ahead_max =
      has_window ? *input.dedup->window / input.dedup->buckets : kAheadMaxWithoutWindow;
  if (!facts.ahead_ms_max || *facts.ahead_ms_max > ahead_max.count()) {
    return Status::stop(
        ExitCode::config,
        fmt::format(
            "topic {} takes its producers' timestamps, {} ahead of the broker's clock: one "
            "wrong clock would expire {} early. Mend it with: {} "
            "(or message.timestamp.after.max.ms={}); "
            "records that are there keep their stamps: where one is wrong, begin behind it, with "
            "a new version and `start: latest`. Or put the stage `route` before this one",
            input.topic,
            facts.ahead_ms_max
                ? "up to " + duration_text(std::chrono::milliseconds(*facts.ahead_ms_max))
                : std::string("any time"),
            has_window ? "the dedup window" : "the dedup windows of those who read the outputs",
            configure_command(bootstrap, input.topic, "message.timestamp.type=LogAppendTime"),
            ahead_max.count()));
  }
  return Status::ok();
}

Status check_retention(const std::string& topic, std::optional<std::int64_t> kept_ms,
                       const std::string& input, std::optional<std::int64_t> input_kept_ms,
                       std::string_view bootstrap) {
  if (!kept_ms || (input_kept_ms && *kept_ms >= *input_kept_ms)) {
    return Status::ok();
  }
  const std::string as_long = input_kept_ms ? fmt::to_string(*input_kept_ms) : "-1";
  return Status::stop(
      ExitCode::config,
      fmt::format("topic {} keeps records for {}, its input {} {}: its records carry the "
                  "input's time, so a replay would be deleted as it is written. Mend it with: {}",
                  topic, duration_text(std::chrono::milliseconds(*kept_ms)), input,
                  input_kept_ms ? "for " + duration_text(std::chrono::milliseconds(*input_kept_ms))
                                : std::string("without a limit"),
                  configure_command(bootstrap, topic, "retention.ms=" + as_long)));
}

Status check_topics(const config::Deployment& deployment, const LanePlan& plan,
                    std::string_view bootstrap, const DescribeTopic& describe,
                    const ListTopics& list) {
  std::vector<std::string> wrong;
  const auto note = [&](const Status& checked) {
    if (!checked.is_ok()) {
      wrong.push_back(checked.message());
    }
  };
  std::map<std::string, TopicDescription> known;
  const auto look_up = [&](const std::string& name, const auto& missing) {
    Result<std::optional<TopicDescription>> found = describe(name);
    if (!found.is_ok()) {
      return found.status();
    }
    if (found.value()) {
      known.emplace(name, std::move(*found.value()));
    } else {
      wrong.push_back(missing());
    }
    return Status::ok();
  };
  for (const config::Input& input : deployment.inputs) {
    WEIR_TRY(look_up(input.topic, [&] {
      const Result<std::vector<std::string>> topics = list();
      return missing_input(deployment, input,
                           topics.is_ok() ? did_you_mean(input.topic, topics.value()) : "");
    }));
  }
  for (const std::string& name : plan.output_topics) {
    WEIR_TRY(look_up(name, [&] {
      return fmt::format(
          "topic {} doesn't exist. If it was there before, what it held is gone and is not written "
          "again: then raise `version:` first. After that, or if it is meant to be new, {}",
          name, creation(deployment));
    }));
  }
  std::optional<Counted> widest;  // the input with the most partitions
  bool are_inputs_known = true;
  for (const config::Input& input : deployment.inputs) {
    const auto topic = known.find(input.topic);
    if (topic == known.end()) {
      are_inputs_known = false;
      continue;
    }
    note(check_input_topic(deployment, input, topic->second, bootstrap));
    if (!widest || topic->second.partitions > widest->partitions) {
      widest = {input.topic, topic->second.partitions};
    }
  }
  std::vector<Counted> derived;
  for (std::size_t i = 0; i < plan.output_topics.size(); ++i) {
    const std::string& name = plan.output_topics[i];
    const auto topic = known.find(name);
    if (topic == known.end()) {
      continue;
    }
    const TopicFacts facts = facts_of(topic->second);
    if (facts.is_compacted) {
      wrong.push_back(
          fmt::format("topic {} is compacted: events with equal keys would vanish from it. Mend it "
                      "with: {}",
                      name, configure_command(bootstrap, name, "cleanup.policy=delete")));
    }
    if (i < plan.settings.outputs.size() && plan.settings.outputs[i].rekeys) {
      if (!facts.has_broker_timestamps) {
        wrong.push_back(fmt::format(
            "topic {} is a new root, in an order of its own, so it must carry the broker's "
            "clock: {} (`{} topics apply` creates it so)",
            name, configure_command(bootstrap, name, "message.timestamp.type=LogAppendTime"),
            tool_command()));
      }
      continue;
    }
    derived.push_back({name, topic->second.partitions});
    if (facts.has_broker_timestamps) {
      wrong.push_back(fmt::format(
          "topic {} carries the broker's clock, and its records must keep the time of their input, "
          "by which those who read it deduplicate. Mend it with: {}",
          name, configure_command(bootstrap, name, "message.timestamp.type=CreateTime")));
    }
    for (const config::Input& input : deployment.inputs) {
      if (const auto of_input = known.find(input.topic); of_input != known.end()) {
        note(check_retention(name, facts.retention_ms, input.topic,
                             facts_of(of_input->second).retention_ms, bootstrap));
      }
    }
  }
  if (widest && are_inputs_known) {
    check_partitions(deployment, *widest, derived, wrong);
  }
  return wrong.empty() ? Status::ok()
                       : Status::stop(ExitCode::config, fmt::format("{}", fmt::join(wrong, "\n")));
}

std::optional<Attempt> next_attempt(std::chrono::milliseconds left,
                                    std::chrono::milliseconds request_wait_max) {
  constexpr std::chrono::milliseconds kPauseMax(1000);
  constexpr std::chrono::milliseconds kRequestWaitMin(1000);
  if (left.count() <= 0) {
    return std::nullopt;
  }
  const auto pause = std::clamp(left - kRequestWaitMin, std::chrono::milliseconds(0), kPauseMax);
  return Attempt{pause, std::clamp(left - pause, kRequestWaitMin, request_wait_max)};
}

}  // namespace weir
