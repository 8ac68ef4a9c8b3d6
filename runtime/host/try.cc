#include "host/try.h"

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <iostream>
#include <map>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "codec/to_json.h"
#include "testing/json_reader.h"
#include "testing/memory_store.h"
#include "testing/sim_lane.h"
#include "text/words.h"

namespace weir {

namespace {

// Of all records: some day in 2023.
constexpr Timestamp kTimestamp{1'700'000'000'000};
// A line takes a few calls of the loop; a stage that is refused its output, some more.
constexpr int kStepsMax = 1'000;

constexpr std::string_view kGzipMagic = "\x1f\x8b";

using Reasons = std::map<std::string, std::uint64_t>;

std::string with_reasons(std::string_view what, const Reasons& reasons) {
  std::uint64_t sum = 0;
  std::string each;
  for (const auto& [reason, count] : reasons) {
    sum += count;
    each += fmt::format("{}{} {}", each.empty() ? "" : ", ", reason, grouped(count));
  }
  return fmt::format("  {} {}{}", what, grouped(sum),
                     each.empty() ? "" : fmt::format(" ({})", each));
}

bool is_one_line(std::string_view text) {
  return std::none_of(text.begin(), text.end(),
                      [](char c) { return static_cast<unsigned char>(c) < ' ' && c != '\t'; });
}

// What the loop said of the one record of a turn.
class OutcomeProbe final : public Probe {
 public:
  void record_dropped(std::string_view reason) override { dropped = reason; }

  void record_dead_lettered(const Origin& /*origin*/, std::string_view reason,
                            std::string_view message) override {
    dead_letter = {std::string(reason), std::string(message)};
  }

  void turn_committed(const TurnCounts& turn, std::chrono::nanoseconds /*age*/) override {
    is_duplicate = turn.duplicates > 0;
  }

  void turn_aborted(std::string_view /*why*/) override { clear(); }

  void clear() {
    dropped.clear();
    dead_letter.reset();
    is_duplicate = false;
  }

  std::string dropped;
  std::optional<std::pair<std::string, std::string>> dead_letter;  // reason, message
  bool is_duplicate = false;
};

class Trial {
 public:
  // `input`: index in the plan.
  Trial(SimDeployment deployment, std::size_t input, bool json)
      : deployment_(std::move(deployment)),
        input_(input),
        json_(json),
        notices_(json ? stderr : stdout) {
    create_topics(kafka_, deployment_.plan, 1);
    for (std::size_t i = 0; i < deployment_.plan.settings.outputs.size(); ++i) {
      const google::protobuf::Descriptor* type = deployment_.output_type(i);
      outputs_.push_back({deployment_.plan.settings.outputs[i].name,
                          deployment_.plan.output_topics[i],
                          type == nullptr ? nullptr : std::make_unique<JsonPrinter>(type)});
    }
  }

  Status run(std::istream& lines) {
    WEIR_TRY(start());
    std::string line;
    while (std::getline(lines, line)) {
      if (++line_ == 1 && line.starts_with(kGzipMagic)) {
        return Status::stop(
            ExitCode::bad_input,
            "these are compressed bytes: pipe them through gzip -dc, with - as FILE");
      }
      WEIR_TRY(record(line));
      std::fflush(stdout);  // someone may be waiting at the other end, or the stage die on the next
    }
    print_summary();
    if (std::fflush(stdout) != 0 || std::ferror(stdout) != 0) {
      return Status::stop(ExitCode::disk, "try: standard output can't be written");
    }
    return not_the_message_ == 0
               ? Status::ok()
               : Status::stop(ExitCode::bad_input,
                              fmt::format("{} of {} lines are no {}", grouped(not_the_message_),
                                          grouped(line_), input().descriptor->full_name()));
  }

 private:
  struct Output {
    std::string name;
    std::string topic;
    std::unique_ptr<JsonPrinter> printer;
    std::uint64_t records = 0;
  };

  const InputFormat& input() const { return deployment_.plan.formats[input_]; }

  const std::string& input_topic() const { return deployment_.plan.input_topics[input_]; }

  Status start() {
    const UnknownFieldListener note_unknown = [this](std::string_view name) {
      notice(fmt::format("unknown field {}, ignored here and below", name));
    };
    if (takes_wire_messages(input())) {
      reader_.emplace(input().descriptor, UnknownFields::count, note_unknown);
    }
    // A turn of one record, so that its outcome is known to be its.
    LaneSettings settings = deployment_.plan.settings;
    settings.limits.batch_records_max = 1;
    settings.limits.turn_records_max = 1;
    WEIR_TRY_ASSIGN(lane_, SimLane::make(deployment_, settings,
                                         {kafka_, stores_, clock_, probe_, {}, note_unknown}));
    return lane_->step();
  }

  Status record(const std::string& line) {
    SimRecord record;
    record.timestamp = kTimestamp;
    record.value = line;
    if (reader_) {
      Result<std::string> wire = reader_->read(line);
      if (!wire.is_ok()) {
        ++not_the_message_;
        notice(fmt::format("no {}: {}: {}", input().descriptor->full_name(), wire.status().reason(),
                           wire.status().message()));
        return Status::ok();
      }
      record.value = std::move(wire).value();
    }
    kafka_.append(input_topic(), 0, std::move(record));
    probe_.clear();
    for (int steps = 0; !lane_->is_at_end(); ++steps) {
      if (steps > kStepsMax) {
        return Status::stop(ExitCode::broken,
                            fmt::format("try: line {} is not processed after {} calls of the loop",
                                        line_, kStepsMax));
      }
      // As long as an idle lane waits before it commits its position: whatever is due comes now.
      clock_.advance(settings().limits.idle_commit_interval_min);
      WEIR_TRY(lane_->step());
    }
    return print_outcome();
  }

  const LaneSettings& settings() const { return deployment_.plan.settings; }

  Status print_outcome() {
    bool has_output = false;
    for (Output& output : outputs_) {
      for (const auto& [offset, sent] : kafka_.read(output.topic, 0)) {
        has_output = true;
        ++output.records;
        WEIR_TRY(print(output, sent.value.value_or("")));
      }
      kafka_.delete_below(output.topic, 0, kafka_.end(output.topic, 0));
    }
    const std::string& dead_letters = deployment_.plan.output_topics.back();
    kafka_.delete_below(dead_letters, 0, kafka_.end(dead_letters, 0));
    kafka_.delete_below(input_topic(), 0, kafka_.end(input_topic(), 0));
    if (probe_.dead_letter) {
      ++dead_letters_[probe_.dead_letter->first];
      notice(fmt::format("dead letter: {}: {}", probe_.dead_letter->first,
                         probe_.dead_letter->second));
    } else if (!probe_.dropped.empty()) {
      ++dropped_[probe_.dropped];
      notice(fmt::format("dropped: {}", probe_.dropped));
    } else if (probe_.is_duplicate) {
      ++duplicates_;
      notice("duplicate");
    } else {
      WEIR_ASSERT(has_output);
    }
    return Status::ok();
  }

  Status print(Output& output, const std::string& value) {
    std::string text = value;
    if (output.printer) {
      WEIR_TRY_ASSIGN(text, output.printer->print(value));
    } else if (!is_one_line(value)) {
      notice(fmt::format("{}: {} bytes that are no line of text", output.name, value.size()));
      return Status::ok();
    }
    if (json_) {
      fmt::print("{}\n", text);
    } else {
      notice(fmt::format("{}: {}", output.name, text));
    }
    return Status::ok();
  }

  void notice(std::string_view text) { fmt::print(notices_, "{:>6}  {}\n", line_, text); }

  void print_summary() {
    std::string summary = fmt::format("in {}", grouped(line_));
    for (const Output& output : outputs_) {
      summary += fmt::format("  {} {}", output.name, grouped(output.records));
    }
    summary += fmt::format("  duplicates {}", grouped(duplicates_));
    summary += with_reasons("dropped", dropped_);
    summary += with_reasons("dead letters", dead_letters_);
    fmt::print(notices_, "{}\n", summary);
  }

  const SimDeployment deployment_;
  const std::size_t input_;
  const bool json_;
  std::FILE* const notices_;
  std::vector<Output> outputs_;
  SimKafka kafka_;
  MemoryStores stores_;
  ManualClock clock_;
  OutcomeProbe probe_;
  std::optional<JsonReader> reader_;  // where lines are JSON and the input is not
  std::unique_ptr<SimLane> lane_;

  std::uint64_t line_ = 0;
  std::uint64_t not_the_message_ = 0;
  std::uint64_t duplicates_ = 0;
  Reasons dropped_;
  Reasons dead_letters_;
};

// For the reason in errno.
Status cannot_read(const std::string& file) {
  return Status::stop(ExitCode::bad_input,
                      fmt::format("{} can't be read: {}", file, std::strerror(errno)));
}

// The index of the input that `name` says; empty: of the only one.
Result<std::size_t> input_of(const config::Deployment& deployment, const std::string& name) {
  std::vector<std::string> names;
  for (const config::Input& input : deployment.inputs) {
    names.push_back(input.name);
  }
  if (name.empty() && names.size() == 1) {
    return std::size_t{0};
  }
  if (name.empty()) {
    return Status::stop(
        ExitCode::usage,
        fmt::format("{} has several inputs, and the records are of one: say --input "
                    "{}",
                    deployment.id, alternatives(names)));
  }
  const auto found = std::find(names.begin(), names.end(), name);
  if (found == names.end()) {
    return Status::stop(ExitCode::usage, fmt::format("--input {}: {} has no such input{}", name,
                                                     deployment.id, suggestion(name, names)));
  }
  return static_cast<std::size_t>(found - names.begin());
}

}  // namespace

Status try_stage(const config::Deployment& deployment, const StageSpec& spec,
                 const TryOptions& options) {
  WEIR_TRY_ASSIGN(const std::size_t input, input_of(deployment, options.input));
  WEIR_TRY_ASSIGN(LanePlan plan, plan_lane(deployment, spec));
  Trial trial({spec, deployment, std::move(plan)}, input, options.json);
  if (options.file == "-") {
    std::ios::sync_with_stdio(false);
    return trial.run(std::cin);
  }
  std::ifstream lines(options.file, std::ios::binary);
  lines.peek();  // a directory can be opened, not read
  if (lines.fail()) {
    return cannot_read(options.file);
  }
  WEIR_TRY(trial.run(lines));
  return lines.bad() ? cannot_read(options.file) : Status::ok();
}

}  // namespace weir
