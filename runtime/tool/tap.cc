// weir tap: what is in a topic, for people, programs and test cases.
#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <optional>
#include <system_error>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <google/protobuf/util/time_util.h>

#include "codec/schema.h"
#include "config/deployment.h"
#include "kafka/reader.h"
#include "text/words.h"
#include "tool/reach.h"
#include "tool/record_text.h"
#include "tool/verbs.h"
#include "weir/headers.h"

namespace weir {

namespace {

namespace fs = std::filesystem;

constexpr const char* kConfig = "config";

struct TapOptions {
  std::string what;
  std::string message;
  std::vector<std::string> protos;
  std::string config;  // empty: kConfig, which need not be there
  std::string from = "earliest";
  bool until_end = false;
  std::string output = "text";
  std::uint64_t limit = 0;  // 0: none
  bool is_fixture = false;
  Reach reach;
};

Result<ReadFrom> parse_from(const std::string& text) {
  if (text == "earliest" || text == "latest") {
    return ReadFrom{text == "latest" ? ReadFrom::Kind::latest : ReadFrom::Kind::earliest, 0};
  }
  const bool is_number =
      !text.empty() && text.size() < 19 && text.find_first_not_of("0123456789") == text.npos;
  if (is_number) {
    return ReadFrom{ReadFrom::Kind::offset, std::stoll(text)};
  }
  if (const auto time = config::parse_time(text)) {
    return ReadFrom{ReadFrom::Kind::timestamp, time->value()};
  }
  return Status::stop(ExitCode::usage,
                      fmt::format("--from {}: say earliest, latest, an offset, or a time such as "
                                  "2026-01-31T00:00:00Z",
                                  text));
}

// The topic of that name, or else the newest version of the dataset of that name; says so on stderr
// where there are others.
Result<std::string> find_topic(const TapOptions& options, const ClusterSettings& cluster) {
  // Versions are asked for one by one: so many missing in a row, and there is no later one.
  constexpr int kGapMax = 32;
  KafkaAdmin admin(cluster);
  const auto exists = [&](const std::string& topic) -> Result<bool> {
    WEIR_TRY_ASSIGN(const auto found,
                    until_answered(options.reach, cluster, [&] { return admin.describe(topic); }));
    return found.has_value();
  };
  WEIR_TRY_ASSIGN(const bool is_topic, exists(options.what));
  if (is_topic) {
    return options.what;
  }
  std::vector<std::string> found;
  int newest = 0;
  for (int version = 1; config::is_name(options.what) && version <= newest + kGapMax; ++version) {
    const std::string topic = config::topic_of(options.what, version);
    WEIR_TRY_ASSIGN(const bool is_there, exists(topic));
    if (is_there) {
      newest = version;
      found.push_back(topic);
    }
  }
  if (found.empty()) {
    return Status::stop(ExitCode::config,
                        fmt::format("there is neither a topic {0} nor {1} or a later version{2}",
                                    options.what, config::topic_of(options.what, 1),
                                    topic_suggestion(admin, options.what, true)));
  }
  std::string topic = std::move(found.back());
  found.pop_back();
  if (!found.empty()) {
    fmt::print(stderr, "{}, the newest; also there: {}\n", topic, fmt::join(found, ", "));
  }
  return topic;
}

// Folders of .proto files, or one descriptor set.
Result<SchemaSources> sources_of(const std::vector<std::string>& protos) {
  SchemaSources sources;
  for (const std::string& path : protos.empty() ? std::vector<std::string>{"proto"} : protos) {
    std::error_code failed;
    if (fs::is_regular_file(path, failed)) {
      sources.descriptor_set = path;
    } else if (fs::is_directory(path, failed)) {
      sources.import_roots.emplace_back(path);
    } else {
      return Status::stop(ExitCode::usage, fmt::format("there is no {} here: name the folder of "
                                                       "the .proto files with --proto",
                                                       path));
    }
  }
  if (!sources.descriptor_set.empty() && protos.size() > 1) {
    return Status::stop(ExitCode::usage, "--proto: folders, or one descriptor set");
  }
  return sources;
}

// A printer, and what it borrows.
struct MessagePrinter {
  Schema schema;
  std::unique_ptr<JsonPrinter> printer;
};

Result<MessagePrinter> printer_of(const std::string& message, const SchemaSources& sources) {
  WEIR_TRY_ASSIGN(Schema schema, Schema::read(sources));
  WEIR_TRY_ASSIGN(const auto* descriptor, schema.message(message));
  auto printer = std::make_unique<JsonPrinter>(descriptor);
  return MessagePrinter{std::move(schema), std::move(printer)};
}

// The deployments' files that --config means, in the order of their names.
Result<std::vector<std::string>> config_files(const TapOptions& options) {
  const fs::path path = options.config.empty() ? kConfig : options.config;
  std::error_code failed;
  if (fs::is_regular_file(path, failed)) {
    return std::vector{path.string()};
  }
  std::vector<std::string> files;
  fs::directory_iterator i(path, failed);
  if (failed && !options.config.empty()) {
    return Status::stop(ExitCode::usage,
                        fmt::format("--config {}: {}", options.config, failed.message()));
  }
  for (; !failed && i != fs::directory_iterator(); i.increment(failed)) {
    if (i->path().extension() == ".yaml") {
      files.push_back(i->path().string());
    }
  }
  std::sort(files.begin(), files.end());
  return files;
}

// As the file of the deployment that writes the dataset says it; stop(config) where none does.
Result<MessagePrinter> declared_printer(const TapOptions& options, const std::string& dataset,
                                        const std::vector<std::string>& files) {
  config::LoadOptions reading;
  reading.environment = config::process_environment();
  std::string unread;
  for (const std::string& file : files) {
    const config::Loaded loaded = config::load(file, reading);
    if (!loaded.deployment) {
      unread += "; " + config::to_string(loaded.problems.front());
      continue;
    }
    for (const config::Output& output : loaded.deployment->outputs) {
      if (output.dataset != dataset) {
        continue;
      }
      if (output.message.empty()) {
        return Status::stop(ExitCode::config,
                            fmt::format("{} says no outputs.{}.message", file, output.name));
      }
      if (!options.protos.empty()) {
        WEIR_TRY_ASSIGN(const SchemaSources sources, sources_of(options.protos));
        return printer_of(output.message, sources);
      }
      SchemaSources sources;
      sources.import_roots.assign(loaded.deployment->import_roots.begin(),
                                  loaded.deployment->import_roots.end());
      sources.descriptor_set = loaded.deployment->descriptor_set;
      return printer_of(output.message, sources);
    }
  }
  return Status::stop(
      ExitCode::config,
      fmt::format("no deployment in {} writes it{}",
                  options.config.empty() ? fmt::format("./{}", kConfig) : options.config, unread));
}

// What --message may say, as far as that can be known.
std::string known_messages(const TapOptions& options) {
  const Result<SchemaSources> sources = sources_of(options.protos);
  const Result<Schema> schema =
      sources.is_ok() ? Schema::read(sources.value()) : Result<Schema>(sources.status());
  return schema.is_ok() ? suggestion("", schema.value().messages())
                        : ", and with --proto where the .proto files are";
}

class Tap {
 public:
  Tap(const TapOptions& options, const ClusterSettings& cluster, std::string topic,
      std::unique_ptr<JsonPrinter> printer)
      : options_(options),
        cluster_(cluster),
        topic_(topic),
        text_(std::move(topic), std::move(printer)) {}

  Status run(KafkaReader& reader) {
    constexpr std::size_t kRecordsMax = 500;
    constexpr std::chrono::milliseconds kWait(200);
    while (!Interrupt::was_asked() && !is_done_) {
      if (options_.until_end && reader.has_reached_end()) {
        break;
      }
      WEIR_TRY_ASSIGN(const Batch batch, until_answered(options_.reach, cluster_, [&] {
                        return reader.poll(kWait, kRecordsMax);
                      }));
      for (const RawRecord& record : batch.records) {
        if (is_done_) {
          break;
        }
        print(record);
      }
      is_done_ = is_done_ || std::fflush(stdout) != 0;  // nobody reads on
    }
    end_fixture();
    if (printed_ == 0) {
      fmt::print(stderr, "{}: 0 records\n", topic_);
    }
    if (options_.until_end && reader.has_reached_end()) {
      tell_hidden(reader);
    }
    return Status::ok();
  }

 private:
  // Whoever looks for a record must not take it for missing.
  void tell_hidden(const KafkaReader& reader) const {
    const Result<std::vector<KafkaReader::Hidden>> hidden = reader.hidden();
    if (!hidden.is_ok()) {
      fmt::print(stderr, "{}: whether it holds more that can't be read yet isn't known: {}\n",
                 topic_, hidden.status().message());
      return;
    }
    for (const KafkaReader::Hidden& one : hidden.value()) {
      fmt::print(stderr,
                 "{}/{}: the offsets {} to {} can't be read yet: a transaction is open that begins "
                 "there\n",
                 topic_, one.partition.value(), one.from.value(), one.end.value() - 1);
    }
  }

  void print(const RawRecord& record) {
    if (options_.is_fixture) {
      if (printed_ == 0) {
        fmt::print("name: what {} holds\ninput:\n", options_.what);
      }
      fmt::print("  - {}\n", text_.case_input(record));
      if (is_dead_letter(record)) {
        reasons_.push_back(header_text(record, kReasonHeader));
      }
    } else {
      fmt::print("{}\n", options_.output == "json" ? text_.json(record) : text_.line(record));
    }
    ++printed_;
    is_done_ = options_.limit > 0 && printed_ >= options_.limit;
  }

  void end_fixture() const {
    if (!options_.is_fixture || printed_ == 0) {
      return;
    }
    fmt::print("# Only what is named is compared: outputs, dead_letters, duplicates, dropped.\n");
    fmt::print("expect:\n  dead_letters:{}\n", reasons_.empty() ? " []" : "");
    for (const std::string& reason : reasons_) {
      fmt::print("    - {{reason: {}}}\n", reason);
    }
  }

  const TapOptions& options_;
  const ClusterSettings& cluster_;
  const std::string topic_;
  RecordText text_;
  std::uint64_t printed_ = 0;
  bool is_done_ = false;
  std::vector<std::string> reasons_;
};

Status tap(const TapOptions& options) {
  WEIR_TRY(check_topic_name(options.what));
  WEIR_TRY_ASSIGN(const ReadFrom from, parse_from(options.from));
  WEIR_TRY_ASSIGN(ClusterSettings cluster, cluster_of(options.reach));
  cluster.client_id = "weir-tap";
  std::optional<MessagePrinter> values;
  if (!options.message.empty()) {
    WEIR_TRY_ASSIGN(const SchemaSources sources, sources_of(options.protos));
    WEIR_TRY_ASSIGN(values, printer_of(options.message, sources));
  }
  WEIR_TRY_ASSIGN(const std::vector<std::string> files, config_files(options));
  const Interrupt interrupt;
  std::signal(SIGPIPE, SIG_IGN);
  WEIR_TRY_ASSIGN(const std::string topic, find_topic(options, cluster));
  const std::string dataset = config::dataset_of(topic);
  if (!values && !dataset.empty() && !dataset.ends_with(".dead_letters")) {
    Result<MessagePrinter> declared = declared_printer(options, dataset, files);
    if (declared.is_ok()) {
      values = std::move(declared).value();
    } else {
      fmt::print(stderr,
                 "{}: {}; its values are shown as they look; say with --message what they are{}\n",
                 topic, declared.status().message(), known_messages(options));
    }
  }
  KafkaReader reader(cluster, topic);
  WEIR_TRY(until_answered(options.reach, cluster, [&] { return reader.open(from); }));
  try {
    return Tap(options, cluster, topic, values ? std::move(values->printer) : nullptr).run(reader);
  } catch (const std::system_error& failure) {
    if (failure.code() == std::errc::broken_pipe) {
      return Status::ok();  // nobody reads on: that is an end, not a failure
    }
    throw;
  }
}

}  // namespace

void add_tap(CLI::App& app, Status& done) {
  CLI::App* command = app.add_subcommand("tap", "Show the records of a topic, committed ones only");
  command->footer(
      "Joins no group and changes nothing. Of several partitions each is shown in its own order.\n"
      "\n"
      "--fixture prints a test case of the stage that reads the topic, with the records as its\n"
      "input, of which none is expected to become a dead letter; of dead letters, with what they\n"
      "were before and their reasons as what is expected.\n"
      "Put it into a file beside the stage's tests, and add what else has to come out.");
  const auto options = std::make_shared<TapOptions>();
  command
      ->add_option("DATASET|TOPIC", options->what, "A topic, or a dataset: then its newest version")
      ->required();
  command->add_option(
      "--message", options->message,
      "The values' message, such as comments.v1.Comment, shown as JSON. Without it: "
      "of a dataset, what the file of the deployment that writes it says");
  command->add_option("--config", options->config,
                      "Where that file is: a folder, or the file itself (config)");
  command
      ->add_option(
          "--proto", options->protos,
          "Folder of .proto files, or a descriptor set (proto, or as the deployment's file "
          "says); may be repeated")
      ->allow_extra_args(false);
  command->add_option("--from", options->from,
                      "earliest (the default), latest, an offset, or a time (RFC 3339)");
  command->add_flag("--until-end", options->until_end, "End behind what can be read now");
  command->add_option("--limit", options->limit, "End after so many records")
      ->check(CLI::Range(0, 1'000'000'000));
  CLI::Option* output =
      command->add_option("--output", options->output, "text, or json: one object a line");
  output->check(CLI::IsMember({"text", "json"}));
  command->add_flag("--fixture", options->is_fixture, "Print a test case")->excludes(output);
  add_options(*command, options->reach);
  command->callback([options, &done] { done = tap(*options); });
}

}  // namespace weir
