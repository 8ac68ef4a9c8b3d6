// One deployment of a stage, as its YAML file and the environment say it; every name that hangs on
// it; and how it is read.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "config/yaml.h"
#include "weir/record.h"
#include "weir/stage.h"
#include "weir/status.h"

namespace weir::config {

enum class Format { json, protobuf, bytes };
enum class TimeFormat { rfc3339, epoch_s, epoch_ms, epoch_us, zoneless };
enum class UnknownFields { count, dead_letter };
enum class MissingKey { dead_letter, pass };
enum class StartAt { earliest, latest, time };
enum class LogLevel { debug, info, warning, error };

// Fills the message's Timestamp `field` from the JSON field `from`; empty: from the one of that
// name.
struct EventTime {
  std::string field;
  std::string from;
  TimeFormat format = TimeFormat::rfc3339;
  std::chrono::minutes zone{};  // east of UTC; only for zoneless
};

struct Dedup {
  std::vector<std::string> key;  // field names; empty: the stage's own dedup_key
  // nullopt: nothing is remembered, the key is only there for the stage.
  std::optional<std::chrono::milliseconds> window;
  int buckets = 0;
  MissingKey on_missing_key = MissingKey::dead_letter;
};

struct Start {
  StartAt at = StartAt::earliest;
  Timestamp time;  // only for StartAt::time
};

// How long a topic keeps its records; kForEver: no record goes for its age.
using Retention = std::chrono::milliseconds;
inline constexpr Retention kForEver = Retention::max();

using TextPairs = std::vector<std::pair<std::string, std::string>>;

// An input of the stage, bound to a topic.
struct Input {
  std::string name;   // the port
  std::string topic;  // as Kafka knows it, from `topic` or from `dataset` and `version`
  std::string dataset;
  int version = 0;  // 0: the topic is external and has none
  Format format = Format::json;
  std::string message;  // full name; empty: the stage's compiled type, or bytes pass untouched
  std::optional<EventTime> event_time;
  TextPairs rename;    // field in the JSON → field of the message
  TextPairs defaults;  // field of the message → value where the JSON has none
  std::vector<std::string> trim;
  UnknownFields unknown_fields = UnknownFields::count;
  std::size_t value_bytes_max = 0;
  int depth_max = 0;
  std::optional<Dedup> dedup;  // nullopt: off
  Start start;                 // only where nothing was ever committed
  // Of an external topic, where `weir topics apply` creates it; nullopt: not said, so for ever.
  std::optional<Retention> retention;
};

// An output of the stage, bound to a dataset of the deployment's version.
struct Output {
  std::string name;  // the port
  std::string dataset;
  std::string topic;
  bool root = false;  // written under keys of the stage's own, so in an order of its own
  // Where `weir topics apply` creates the topic; nullopt: not said, so the longest of the inputs'.
  std::optional<Retention> retention;
  // Full name; empty: not known from this file, or values are no message.
  std::string message;
  // Full name of the field that the stage adds to the records that it carries on; empty: it adds
  // none, or that isn't known without a spec.
  std::string annotates;
};

struct Turn {
  std::chrono::milliseconds interval_max{};
  std::size_t records_max = 0;
  std::size_t bytes_max = 0;
};

struct Http {
  std::string host;  // without the brackets of an IPv6 address
  std::uint16_t port = 0;
};

struct KafkaProperty {
  std::string name;
  std::string value;
  bool is_secret = false;
};

// One setting as it took effect, for people: a secret is masked.
struct Setting {
  std::vector<std::string> path;
  std::string value;  // as YAML
  Place place;        // its source is "default", the file or a variable
  // The ${…} that stand there, for people: "${NAME}", or "default of ${NAME}" where it isn't set.
  std::vector<std::string> parts;
};

inline constexpr const char* kStateDefault = "state";
inline constexpr const char* kInstanceDefault = "0";

// A plain value. Everything is checked and has its default. Ports are in the order of the spec, or,
// read without a spec, of the file.
struct Deployment {
  std::string file;  // as it was given
  std::string stage;
  std::string name;  // empty: none
  std::string id;    // <stage> or <stage>-<name>
  int version = 1;
  std::vector<Input> inputs;
  std::vector<Output> outputs;
  std::vector<std::string> import_roots;  // relative to the working directory, or absolute
  std::string descriptor_set;             // a file; empty: import_roots hold
  std::shared_ptr<void> options;          // of the spec's make_options; null without one
  int lanes = 1;
  Turn turn;
  std::string state;  // root directory
  std::optional<Http> http;
  std::vector<KafkaProperty> kafka;
  LogLevel log_level = LogLevel::info;
  std::string instance;
  std::vector<Setting> settings;

  std::string group() const;
  std::string transactional_id(int lane) const;
  std::string state_directory() const;
  std::string dead_letters() const;  // the topic
};

// An RFC 3339 time; nullopt: it is none.
std::optional<Timestamp> parse_time(std::string_view text);

// The only places that spell the topic of a dataset, <dataset>.v<N>: one makes it, the other tells
// the dataset of it (empty: the topic is of none).
std::string topic_of(std::string_view dataset, int version);
std::string dataset_of(const std::string& topic);

// <deployment>.dead_letters.v<N>.
std::string dead_letters_topic(std::string_view deployment, int version);

// Lower-case words of letters, digits and _, joined by "." or "-", short enough for every topic
// that is made of it. Datasets, stages and deployments are named so.
bool is_name(std::string_view text);

// Empty, or why Kafka takes no topic of that name.
std::string check_topic(std::string_view text);

using Environment = std::map<std::string, std::string>;
Environment process_environment();

struct LoadOptions {
  // The stage that the file must fit. Borrowed; nullptr: any stage's file, and its options are not
  // looked at.
  const StageSpec* spec = nullptr;
  // A file that names another stage than `spec` is read as without a spec.
  bool takes_other_stages = false;
  Environment environment;
  // Asked about each property under `kafka:`; its refusals are reported at their place.
  std::function<Status(std::string_view name, std::string_view value)> kafka_property;
};

// `deployment` is there iff nothing is wrong.
struct Loaded {
  std::optional<Deployment> deployment;
  std::vector<Problem> problems;  // all that could be found, in the order of the file

  // Ok, or stop with exit code 78 and every problem on a line of its own.
  Status status() const;
};

// Reads a deployment: the environment's WEIR__… beat the file, the file beats the defaults. A file
// is named after its deployment, lest a copy that kept its `name` join the group of the original.
Loaded load(const std::string& file, const LoadOptions& options);

// The same with the text of a file, whose name may be any. Paths in it are relative to the folder
// of `file`.
Loaded load_text(std::string_view text, const std::string& file, const LoadOptions& options);

}  // namespace weir::config
