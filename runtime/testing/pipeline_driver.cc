#include "testing/pipeline_driver.h"

#include <algorithm>
#include <set>

#include <fmt/format.h>

#include "codec/to_json.h"
#include "weir/headers.h"

namespace weir {

namespace {

// When the first record of a test is stamped: some day in 2023.
constexpr Timestamp kBeginning{1'700'000'000'000};
// Batches of the second world: small, and of no round number.
constexpr std::size_t kOtherBatchRecords = 3;
constexpr std::size_t kShownBytesMax = 2000;

void fail_unless(const Status& status) {
  if (!status.is_ok()) {
    throw TestFailure(status.message());
  }
}

Arrived arrived(const SimRecord& record, Partition partition) {
  return {record.key.value_or(""), record.value.value_or(""), record.headers, record.timestamp,
          partition};
}

std::string header(const TextHeaders& headers, std::string_view name) {
  // Weir's own stand last; what a producer calls the same doesn't hide them.
  for (auto h = headers.rbegin(); h != headers.rend(); ++h) {
    if (h->first == name) {
      return h->second.value_or("");
    }
  }
  return "";
}

std::vector<Arrived> read_topic(const SimWorld& world, const std::string& topic) {
  std::vector<Arrived> records;
  for (std::int32_t p = 0; p < world.kafka().partitions(topic); ++p) {
    for (const auto& [offset, record] : world.kafka().read(topic, p)) {
      records.push_back(arrived(record, Partition(p)));
    }
  }
  return records;
}

// The offset of a derived record depends on how many transactions lie before it.
std::string text_of(const Arrived& record, const google::protobuf::Descriptor* descriptor) {
  std::string headers;
  for (const auto& [name, value] : record.headers) {
    if (name != kOffsetHeader) {
      headers += fmt::format(" {}={}", name, value.value_or("(none)"));
    }
  }
  return fmt::format("partition {} key \"{}\" time {}{} value {}", record.partition.value(),
                     record.key, record.timestamp.value(), headers,
                     shown(descriptor, record.value));
}

bool is_same(const Arrived& a, const Arrived& b) {
  return a.value == b.value && text_of(a, nullptr) == text_of(b, nullptr);
}

}  // namespace

std::string shown(const google::protobuf::Descriptor* descriptor, const std::string& value) {
  std::string text = value;
  if (descriptor != nullptr) {
    const Result<std::string> json = JsonPrinter(descriptor).print(value);
    text = json.is_ok() ? json.value()
                        : fmt::format("({} bytes, no {})", value.size(), descriptor->full_name());
  }
  return text.size() <= kShownBytesMax
             ? text
             : fmt::format("{}… ({} bytes)", text.substr(0, kShownBytesMax), text.size());
}

// One end of a deployment, by the names that a test may call it.
struct PipelineDriver::Ends {
  std::string port;
  std::string topic;
  std::string dataset;
  InputFormat::Form form = InputFormat::Form::protobuf;
  const google::protobuf::Descriptor* descriptor = nullptr;
};

PipelineDriver::PipelineDriver(const std::vector<Deployed>& deployed, std::int32_t partitions)
    : time_(kBeginning), partitions_(partitions) {
  for (const Deployed& one : deployed) {
    Result<SimDeployment> loaded = SimDeployment::load(one);
    fail_unless(loaded.status());
    deployments_.push_back(std::move(loaded).value());
    const SimDeployment& made = deployments_.back();
    for (std::size_t i = 0; i < made.deployment.inputs.size(); ++i) {
      const config::Input& input = made.deployment.inputs[i];
      inputs_.push_back({input.name, input.topic, input.dataset, made.plan.formats[i].form,
                         made.plan.formats[i].descriptor});
    }
    for (std::size_t i = 0; i < made.spec.outputs().size(); ++i) {
      outputs_.push_back({made.spec.outputs()[i].name, made.plan.output_topics[i],
                          made.deployment.outputs[i].dataset, InputFormat::Form::protobuf,
                          made.output_type(i)});
    }
  }
  for (const std::optional<std::size_t> batch :
       {std::optional<std::size_t>(), {kOtherBatchRecords}}) {
    worlds_.push_back(std::make_unique<SimWorld>(
        deployments_,
        SimWorld::Options{.partitions = partitions, .batch_records_max = batch, .faults = {}}));
  }
  run();
}

PipelineDriver::~PipelineDriver() = default;

namespace {

// The one that `name` means: a topic or dataset, which several may share, or one port.
template <class Ends>
const Ends& find_end(const std::vector<Ends>& ends, std::string_view name, std::string_view noun) {
  std::vector<const Ends*> ports;
  std::set<std::string> known;
  for (const Ends& end : ends) {
    if (end.topic == name || (!end.dataset.empty() && end.dataset == name)) {
      return end;
    }
    if (end.port == name) {
      ports.push_back(&end);
    }
    known.insert(fmt::format("{} ({})", end.port, end.topic));
  }
  if (ports.size() == 1) {
    return *ports.front();
  }
  throw TestFailure(fmt::format("{} is {} here; there {} {}", name,
                                ports.empty()
                                    ? fmt::format("no {}", noun)
                                    : fmt::format("the name of {} {}s", ports.size(), noun),
                                known.size() == 1 ? "is" : "are", fmt::join(known, ", ")));
}

}  // namespace

const PipelineDriver::Ends& PipelineDriver::input(std::string_view to) const {
  return find_end(inputs_, to, "input");
}

const PipelineDriver::Ends& PipelineDriver::output(std::string_view from) const {
  return find_end(outputs_, from, "output");
}

void PipelineDriver::pipe(std::string_view to, const Piped& record) {
  const std::string& topic = input(to).topic;
  if (record.partition.value() < 0 || record.partition.value() >= partitions_) {
    throw TestFailure(fmt::format("{} has {} partitions: there is no partition {}", topic,
                                  partitions_, record.partition.value()));
  }
  for (const std::unique_ptr<SimWorld>& world : worlds_) {
    world->kafka().append(
        topic, record.partition.value(),
        {record.key, record.value, record.headers, record.timestamp.value_or(time_)});
  }
}

void PipelineDriver::pipe(std::string_view to, std::string_view value) {
  pipe(to, Piped{.value = std::string(value)});
}

void PipelineDriver::pipe(std::string_view to, const google::protobuf::Message& message,
                          Piped record) {
  record.value = message.SerializeAsString();
  switch (input(to).form) {
    case InputFormat::Form::json: {
      Result<std::string> json = JsonPrinter(message.GetDescriptor()).print(*record.value);
      fail_unless(json.status());
      record.value = std::move(json).value();
      break;
    }
    case InputFormat::Form::protobuf:
    case InputFormat::Form::bytes:
      break;
  }
  pipe(to, record);
}

void PipelineDriver::each(const std::function<Status(SimWorld&)>& action) {
  for (const std::unique_ptr<SimWorld>& world : worlds_) {
    fail_unless(action(*world));
  }
}

void PipelineDriver::run() {
  each([](SimWorld& world) { return world.run(); });
  compare();
}

void PipelineDriver::compare() const {
  for (std::size_t i = 0; i < deployments_.size(); ++i) {
    const SimDeployment& made = deployments_[i];
    const TurnCounts& one = worlds_[0]->counts(i).turns;
    const TurnCounts& two = worlds_[1]->counts(i).turns;
    const auto differ = [&](const std::string& what) {
      throw TestFailure(
          fmt::format("{}: the same records in batches of another size have another outcome, so "
                      "the stage is no "
                      "function of its records. {}",
                      made.deployment.id, what));
    };
    for (const std::string& topic : made.plan.output_topics) {
      const std::vector<Arrived> a = read_topic(*worlds_[0], topic);
      const std::vector<Arrived> b = read_topic(*worlds_[1], topic);
      const auto found = std::find_if(outputs_.begin(), outputs_.end(),
                                      [&](const Ends& end) { return end.topic == topic; });
      const auto* descriptor = found == outputs_.end() ? nullptr : found->descriptor;
      for (std::size_t n = 0; n < std::max(a.size(), b.size()); ++n) {
        if (n >= a.size() || n >= b.size() || !is_same(a[n], b[n])) {
          differ(fmt::format("{} record {}:\n  {}\n  {}", topic, n,
                             n < a.size() ? text_of(a[n], descriptor) : "(none)",
                             n < b.size() ? text_of(b[n], descriptor) : "(none)"));
        }
      }
    }
    if (one.duplicates != two.duplicates ||
        worlds_[0]->counts(i).dropped != worlds_[1]->counts(i).dropped) {
      differ(fmt::format("duplicates {} and {}, dropped {} and {}", one.duplicates, two.duplicates,
                         one.dropped, two.dropped));
    }
  }
}

std::vector<Arrived> PipelineDriver::read_records(std::string_view from) {
  run();
  return read_topic(*worlds_[0], output(from).topic);
}

std::vector<std::string> PipelineDriver::read_json(std::string_view from) {
  std::vector<std::string> values;
  const google::protobuf::Descriptor* descriptor = output(from).descriptor;
  for (Arrived& record : read_records(from)) {
    if (descriptor != nullptr) {
      Result<std::string> json = JsonPrinter(descriptor).print(record.value);
      fail_unless(json.status().is_ok() ? Status::ok() : json.status().within(from));
      record.value = std::move(json).value();
    }
    values.push_back(std::move(record.value));
  }
  return values;
}

void PipelineDriver::parse(std::string_view from, const std::string& value,
                           google::protobuf::Message& message) {
  if (!message.ParseFromString(value)) {
    throw TestFailure(fmt::format("{} holds a record that is no {} ({} bytes)", from,
                                  message.GetDescriptor()->full_name(), value.size()));
  }
}

std::vector<DeadLettered> PipelineDriver::dead_letters(std::string_view deployment) {
  run();
  std::vector<DeadLettered> letters;
  for (const SimDeployment& made : deployments_) {
    if (deployment.empty() || made.deployment.id == deployment) {
      for (Arrived& record : read_topic(*worlds_[0], made.plan.output_topics.back())) {
        const std::string reason = header(record.headers, kReasonHeader);
        const std::string message = header(record.headers, kMessageHeader);
        letters.push_back({reason, message, std::move(record)});
      }
    }
  }
  return letters;
}

SimCounts PipelineDriver::counts(std::string_view deployment) {
  run();
  SimCounts sum;
  bool is_known = deployment.empty();
  for (std::size_t i = 0; i < deployments_.size(); ++i) {
    if (deployment.empty() || deployments_[i].deployment.id == deployment) {
      is_known = true;
      const SimCounts& one = worlds_[0]->counts(i);
      sum.turns += one.turns;
      for (const auto& [reason, count] : one.dropped) {
        sum.dropped[reason] += count;
      }
    }
  }
  if (!is_known) {
    throw TestFailure(fmt::format("no deployment here is called {}", deployment));
  }
  return sum;
}

void PipelineDriver::advance(std::chrono::milliseconds by) {
  time_ = Timestamp(time_.value() + by.count());
  for (const std::unique_ptr<SimWorld>& world : worlds_) {
    world->advance(by);
  }
}

void PipelineDriver::restart() {
  each([](SimWorld& world) { return world.drain(); });
  run();
}

void PipelineDriver::crash() {
  each([](SimWorld& world) { return world.crash(); });
}

void PipelineDriver::lose_disk() {
  each([](SimWorld& world) {
    WEIR_TRY(world.crash());
    world.lose_disks();
    return Status::ok();
  });
}

}  // namespace weir
