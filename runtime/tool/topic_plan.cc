#include "tool/topic_plan.h"

#include <algorithm>
#include <cstdlib>
#include <limits>
#include <sstream>

#include <fmt/format.h>

#include "config/lint.h"
#include "host/preflight.h"
#include "text/quantity.h"
#include "text/words.h"
#include "weir/headers.h"

namespace weir {

namespace {

constexpr std::int32_t kPartitions = 4;
constexpr std::int64_t kRecordBytesMax = 1'048'588;    // Kafka's own default, said aloud
constexpr std::int32_t kReplicas = 3, kInSyncMin = 2;  // where there are brokers enough
const std::string kUnlimited = "-1";
const std::string kAnyTime = std::to_string(std::numeric_limits<std::int64_t>::max());

std::string setting(const TopicDescription& topic, const std::string& name) {
  const auto found = topic.configs.find(name);
  return found == topic.configs.end() ? "" : found->second;
}

std::int64_t number(const std::string& text) {
  return std::strtoll(text.c_str(), nullptr, 10);
}

std::string retention_ms(config::Retention time) {
  return time == config::kForEver ? kUnlimited : std::to_string(time.count());
}

// As retention.ms and retention.bytes mean it: negative is longest.
bool is_shorter(const std::string& a, const std::string& b) {
  const std::int64_t left = number(a);
  const std::int64_t right = number(b);
  return left >= 0 && (right < 0 || left < right);
}

std::string kept_text(const std::string& retention) {
  return number(retention) < 0
             ? "for ever"
             : "for " + duration_text(std::chrono::milliseconds(number(retention)));
}

// Between its dots.
std::vector<std::string> parts_of(const std::string& topic) {
  std::vector<std::string> parts;
  std::istringstream words(topic);
  for (std::string part; std::getline(words, part, '.');) {
    parts.push_back(part);
  }
  return parts;
}

// Whether one of two parts may be a slip of the other: a letter, a version or a year beside another
// is meant.
bool are_names(const std::string& a, const std::string& b) {
  const auto without_digits = [](std::string part) {
    std::erase_if(part, [](char c) { return c >= '0' && c <= '9'; });
    return part;
  };
  return std::min(a.size(), b.size()) > 2 && without_digits(a) != without_digits(b);
}

// What a stage's outputs inherit from its inputs.
struct Heritage {
  std::int32_t partitions = 0;
  std::string retention_ms;
  bool is_retention_said = false;  // by a file, so that a topic that keeps longer differs, too
  std::string retention_bytes;
  std::int64_t record_bytes_max = 0;  // as topics count: after the writer's compression
  std::int64_t value_bytes_max = 0;   // of those that a stage reads, before it

  void add(const config::Input& settings, const TopicDescription& input) {
    partitions = std::max(partitions, input.partitions);
    record_bytes_max = std::max(record_bytes_max, number(setting(input, "max.message.bytes")));
    value_bytes_max =
        std::max(value_bytes_max, static_cast<std::int64_t>(settings.value_bytes_max));
    keep_longer(retention_ms, setting(input, "retention.ms"));
    keep_longer(retention_bytes, setting(input, "retention.bytes"));
  }

  static void keep_longer(std::string& kept, const std::string& other) {
    if (kept.empty() || is_shorter(kept, other)) {
      kept = other.empty() ? kUnlimited : other;
    }
  }
};

class TopicPlanner {
 public:
  TopicPlanner(std::span<const config::Deployment> deployments, const KnownTopics& existing,
               const TopicWishes& wishes)
      : deployments_(deployments), existing_(existing), wishes_(wishes) {}

  // Inputs from outside, which follow from nothing.
  void add_raw(const config::Deployment& deployment) {
    for (const config::Input& input : deployment.inputs) {
      if (input.version > 0) {
        continue;
      }
      Heritage asked;
      const std::optional<config::Retention> said =
          config::longest_retention(deployments_, input.topic);
      asked.retention_ms = retention_ms(said.value_or(config::kForEver));
      asked.is_retention_said = said.has_value();
      PlannedTopic& topic = add(TopicRole::raw, input.topic, deployment.id, asked);
      if (topic.exists) {
        const Status checked =
            check_input_topic(deployment, input, existing_.at(input.topic), wishes_.bootstrap);
        topic.refusal = checked.is_ok() ? topic.refusal : checked.message();
      }
    }
  }

  // The first input whose topic isn't known yet; nullptr: all are.
  const config::Input* unknown_input(const config::Deployment& deployment) const {
    for (const config::Input& input : deployment.inputs) {
      if (!known_.contains(input.topic) && !existing_.contains(input.topic)) {
        return &input;
      }
    }
    return nullptr;
  }

  Status add_outputs(const config::Deployment& deployment) {
    Heritage heritage;
    for (const config::Input& input : deployment.inputs) {
      const auto planned = known_.find(input.topic);
      heritage.add(input, planned != known_.end() ? planned->second : existing_.at(input.topic));
    }
    for (const config::Output& output : deployment.outputs) {
      Heritage kept = heritage;
      if (output.retention) {
        kept.retention_ms = retention_ms(*output.retention);
        kept.is_retention_said = true;
        // A root's records are as old as their writing.
        if (!output.root && is_shorter(kept.retention_ms, heritage.retention_ms)) {
          return Status::stop(
              ExitCode::config,
              fmt::format("{}: outputs.{}.retention: {} would be kept {}, its input {}: a replay "
                          "would be deleted as it is written",
                          deployment.file, output.name, output.topic, kept_text(kept.retention_ms),
                          kept_text(heritage.retention_ms)));
        }
      }
      add(output.root ? TopicRole::root : TopicRole::derived, output.topic, deployment.id, kept);
    }
    add(TopicRole::dead_letters, deployment.dead_letters(), deployment.id, heritage);
    return Status::ok();
  }

  // Once all are there.
  void note_users(const config::Deployment& deployment) {
    for (PlannedTopic& topic : topics_) {
      const auto is_it = [&](const auto& port) { return port.topic == topic.wanted.name; };
      if (std::any_of(deployment.inputs.begin(), deployment.inputs.end(), is_it)) {
        topic.readers.push_back(deployment.id);
      }
      if (std::any_of(deployment.outputs.begin(), deployment.outputs.end(), is_it) ||
          deployment.dead_letters() == topic.wanted.name) {
        topic.writer = deployment.id;
      }
    }
  }

  std::vector<PlannedTopic> take() { return std::move(topics_); }

 private:
  NewTopic wanted(TopicRole role, const std::string& name, const Heritage& heritage) const {
    NewTopic topic;
    topic.name = name;
    const bool has_brokers = wishes_.brokers >= kReplicas;
    topic.replicas = has_brokers ? kReplicas : 1;
    auto& configs = topic.configs;
    configs["min.insync.replicas"] = std::to_string(has_brokers ? kInSyncMin : 1);
    configs["cleanup.policy"] = "delete";
    if (role == TopicRole::raw) {
      topic.partitions = wishes_.partitions.value_or(kPartitions);
      configs["message.timestamp.type"] = "LogAppendTime";
      configs["retention.ms"] = heritage.retention_ms;
      configs["retention.bytes"] = kUnlimited;
      configs["max.message.bytes"] = std::to_string(kRecordBytesMax);
      return topic;
    }
    topic.partitions = heritage.partitions;
    configs["retention.ms"] = heritage.retention_ms;
    configs["retention.bytes"] = heritage.retention_bytes;
    std::int64_t record_bytes_max = heritage.record_bytes_max;
    if (role == TopicRole::dead_letters) {
      // A dead letter that is refused stops the stage, and the input's writer may have compressed
      // better than we do.
      record_bytes_max =
          std::max(record_bytes_max, heritage.value_bytes_max) + kDeadLetterHeaderBytesMax;
    }
    configs["max.message.bytes"] = std::to_string(record_bytes_max);
    if (role == TopicRole::root) {
      topic.partitions = wishes_.partitions.value_or(topic.partitions);
      configs["message.timestamp.type"] = "LogAppendTime";
    } else {
      // Records carry the time of the input, which a replay makes arbitrarily old.
      configs["message.timestamp.type"] = "CreateTime";
      configs["message.timestamp.before.max.ms"] = kAnyTime;
      configs["message.timestamp.after.max.ms"] = kAnyTime;
    }
    return topic;
  }

  PlannedTopic& add(TopicRole role, const std::string& name, const std::string& deployment,
                    const Heritage& heritage) {
    const auto there = std::find_if(topics_.begin(), topics_.end(),
                                    [&](const PlannedTopic& t) { return t.wanted.name == name; });
    if (there != topics_.end()) {
      return *there;
    }
    PlannedTopic& topic = topics_.emplace_back();
    topic.role = role;
    topic.deployment = deployment;
    topic.wanted = wanted(role, name, heritage);
    const auto found = existing_.find(name);
    topic.exists = found != existing_.end();
    if (topic.exists) {
      compare(topic, found->second, heritage.is_retention_said);
    }
    const TopicDescription& known = known_[name] =
        topic.exists ? found->second
                     : TopicDescription{topic.wanted.partitions, topic.wanted.replicas,
                                        topic.wanted.configs};
    topic.partitions = known.partitions;
    topic.replicas = known.replicas;
    return topic;
  }

  void compare(PlannedTopic& topic, const TopicDescription& is, bool is_retention_said) const {
    // A raw topic is somebody else's: what a stage can't live with is its `refusal`.
    const bool is_ours = topic.role != TopicRole::raw;
    const bool has_partitions_of_input =
        topic.role == TopicRole::derived || topic.role == TopicRole::dead_letters;
    if (is.partitions != topic.wanted.partitions &&
        (has_partitions_of_input || wishes_.partitions.has_value())) {
      topic.differences.push_back({"partitions", std::to_string(is.partitions),
                                   std::to_string(topic.wanted.partitions),
                                   has_partitions_of_input});
    }
    if (is.replicas < topic.wanted.replicas) {
      topic.differences.push_back(
          {"replicas", std::to_string(is.replicas), std::to_string(topic.wanted.replicas), false});
    }
    for (const auto& [name, should] : topic.wanted.configs) {
      const std::string value = setting(is, name);
      const bool is_retention = name == "retention.ms" || name == "retention.bytes";
      const bool is_least = name == "max.message.bytes" || name == "min.insync.replicas";
      const bool differs = is_retention ? is_shorter(value, should)
                           : is_least   ? number(value) < number(should)
                                        : value != should;
      if (differs) {
        topic.differences.push_back(
            {name, value, should, is_ours && name != "min.insync.replicas"});
      } else if (name == "retention.ms" && is_retention_said && is_shorter(should, value)) {
        topic.differences.push_back({name, value, should, false});
      }
    }
  }

  const std::span<const config::Deployment> deployments_;
  const KnownTopics& existing_;
  const TopicWishes& wishes_;
  KnownTopics known_;  // as they are or will be
  std::vector<PlannedTopic> topics_;
};

}  // namespace

std::string_view name_of(TopicRole role) {
  switch (role) {
    case TopicRole::raw:
      return "raw";
    case TopicRole::derived:
      return "derived";
    case TopicRole::root:
      return "root";
    case TopicRole::dead_letters:
      return "dead letters";
  }
  WEIR_ASSERT(false);
}

bool PlannedTopic::is_wrong() const {
  return !refusal.empty() || std::any_of(differences.begin(), differences.end(),
                                         [](const TopicDifference& d) { return d.matters; });
}

std::string PlannedTopic::remedy(const std::string& bootstrap) const {
  std::string settings;
  std::string rest;
  std::string until_then;
  for (const TopicDifference& difference : differences) {
    if (difference.setting == "partitions" && difference.matters) {
      rest =
          "partitions can't be mended in place: raise `version` in the deployment's file, and "
          "the new version's topics are created alike";
    } else if (difference.setting == "retention.ms" &&
               is_shorter(difference.should, difference.is)) {
      continue;  // a command that deletes records isn't typed because it stands there
    } else if (wanted.configs.contains(difference.setting)) {
      settings += fmt::format("{}{}={}", settings.empty() ? "" : ",", difference.setting,
                              difference.should);
      if (difference.setting == "max.message.bytes" && difference.matters) {
        until_then = role == TopicRole::dead_letters
                         ? "   # until then a larger dead letter stops the stage"
                         : "   # until then larger records become dead letters";
      }
    }
  }
  if (settings.empty()) {
    return rest;
  }
  return rest + (rest.empty() ? "" : "; the others: ") +
         configure_command(bootstrap, wanted.name, settings) + until_then;
}

std::string_view slip_of(const std::string& topic, std::span<const std::string> existing) {
  const std::vector<std::string> parts = parts_of(topic);
  for (const std::string& other : existing) {
    const std::vector<std::string> meant = parts_of(other);
    if (meant.size() != parts.size()) {
      continue;
    }
    const auto [part, its] = std::mismatch(parts.begin(), parts.end(), meant.begin());
    if (part != parts.end() && std::equal(part + 1, parts.end(), its + 1) &&
        are_names(*part, *its) && !nearest(*part, std::span(&*its, 1)).empty()) {
      return other;
    }
  }
  return {};
}

std::set<std::string> topics_of(std::span<const config::Deployment> deployments) {
  std::set<std::string> topics;
  for (const config::Deployment& deployment : deployments) {
    for (const config::Input& input : deployment.inputs) {
      topics.insert(input.topic);
    }
    for (const config::Output& output : deployment.outputs) {
      topics.insert(output.topic);
    }
    topics.insert(deployment.dead_letters());
  }
  return topics;
}

Result<std::vector<PlannedTopic>> plan_topics(std::span<const config::Deployment> deployments,
                                              const KnownTopics& existing,
                                              const TopicWishes& wishes) {
  TopicPlanner planner(deployments, existing, wishes);
  std::vector<const config::Deployment*> left;
  for (const config::Deployment& deployment : deployments) {
    planner.add_raw(deployment);
    left.push_back(&deployment);
  }
  // An input that a given file writes follows from that file's inputs, even where it exists.
  const auto waits_for_another = [&](const config::Deployment& reader) {
    return std::any_of(left.begin(), left.end(), [&](const config::Deployment* writer) {
      return writer != &reader &&
             std::any_of(writer->outputs.begin(), writer->outputs.end(), [&](const auto& output) {
               return std::any_of(reader.inputs.begin(), reader.inputs.end(),
                                  [&](const auto& input) { return input.topic == output.topic; });
             });
    });
  };
  while (!left.empty()) {
    auto next = std::find_if(left.begin(), left.end(), [&](const auto* deployment) {
      return !waits_for_another(*deployment);
    });
    if (next == left.end()) {
      return Status::stop(ExitCode::config,
                          fmt::format("{}: its outputs feed its own inputs", left.front()->file));
    }
    if (const config::Input* input = planner.unknown_input(**next)) {
      return Status::stop(
          ExitCode::config,
          fmt::format("{}: topic {} doesn't exist: give the file of the deployment that writes {}, "
                      "too, or apply that one first",
                      (*next)->file, input->topic, input->dataset));
    }
    WEIR_TRY(planner.add_outputs(**next));
    left.erase(next);
  }
  for (const config::Deployment& deployment : deployments) {
    planner.note_users(deployment);
  }
  return planner.take();
}

}  // namespace weir
