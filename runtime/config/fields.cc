// The declarations of a deployment's fields, in the order in which the reference shows them.
#include <algorithm>
#include <charconv>
#include <limits>
#include <utility>

#include <fmt/format.h>
#include <google/protobuf/util/time_util.h>

#include "config/field.h"
#include "text/quantity.h"
#include "text/words.h"
#include "weir/message_pool.h"

namespace weir::config {

namespace {

using std::chrono::milliseconds;

constexpr const char* kNamePattern = "^[a-z][a-z0-9_]*([.-][a-z][a-z0-9_]*)*$";
constexpr const char* kNameRule =
    "lower-case words of letters, digits and _, joined by . or -, such as comments.classified";
constexpr const char* kMessagePattern = "^[A-Za-z_][A-Za-z0-9_.]*$";
constexpr milliseconds kWindowMin = std::chrono::seconds(1);
constexpr milliseconds kWindowMax = std::chrono::hours(24) * 3650;
constexpr milliseconds kRetentionMin = std::chrono::minutes(1);
constexpr milliseconds kRetentionMax = std::chrono::hours(24) * 36'500;
constexpr std::size_t kNameBytesMax = 200;
constexpr std::size_t kTopicBytesMax = 249;

// ---- text to values; each returns what is wrong, or nothing ----

std::string parse_integer(std::string_view text, std::int64_t min, std::int64_t max,
                          std::int64_t& value) {
  const char* end = text.data() + text.size();
  const auto [stopped, error] = std::from_chars(text.data(), end, value);
  if (stopped != end || error == std::errc::invalid_argument) {
    return fmt::format("{} is not a whole number", quote(text));
  }
  if (text.size() > 1 && (text[0] == '0' || text.substr(0, 2) == "-0")) {
    return fmt::format("{} begins with a zero: octal or decimal?", quote(text));
  }
  if (error == std::errc::result_out_of_range || value < min || value > max) {
    return fmt::format("{} is outside {} … {}", quote(text), min, max);
  }
  return {};
}

std::string check_name(std::string_view text) {
  if (text.size() > kNameBytesMax) {
    return fmt::format("{} is longer than {} characters", quote(text), kNameBytesMax);
  }
  return is_name(text) ? "" : fmt::format("{} is no name: {}", quote(text), kNameRule);
}

std::string check_dataset(std::string_view text) {
  const std::size_t at = text.rfind(".v");
  if (at != std::string_view::npos && at + 2 < text.size() &&
      std::all_of(text.begin() + static_cast<std::ptrdiff_t>(at) + 2, text.end(),
                  [](char c) { return c >= '0' && c <= '9'; })) {
    return fmt::format("{} is the topic; the dataset is {}", quote(text),
                       quote(text.substr(0, at)));
  }
  return check_name(text);
}

std::string check_message(std::string_view text) {
  const bool is_plain = std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_';
  });
  return is_plain && text.front() != '.' && text.back() != '.'
             ? ""
             : fmt::format("{} is not a message's full name, such as comments.v1.Comment",
                           quote(text));
}

std::string check_instance(std::string_view text) {
  const bool is_plain = std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-';
  });
  return is_plain && text.size() <= 100
             ? ""
             : fmt::format("{} is not at most 100 letters, digits, _ and -", quote(text));
}

// "UTC" or "+02:00".
std::optional<std::chrono::minutes> parse_zone(std::string_view text) {
  if (text == "UTC" || text == "Z") {
    return std::chrono::minutes(0);
  }
  const auto two_digits = [text](std::size_t at) {
    const bool are_digits =
        text[at] >= '0' && text[at] <= '9' && text[at + 1] >= '0' && text[at + 1] <= '9';
    return are_digits ? (text[at] - '0') * 10 + (text[at + 1] - '0') : -1;
  };
  if (text.size() != 6 || (text[0] != '+' && text[0] != '-') || text[3] != ':') {
    return std::nullopt;
  }
  const int hours = two_digits(1), minutes = two_digits(4);
  if (hours < 0 || hours > 23 || minutes < 0 || minutes > 59) {
    return std::nullopt;
  }
  const std::chrono::minutes east = std::chrono::hours(hours) + std::chrono::minutes(minutes);
  return text[0] == '-' ? -east : east;
}

std::string parse_listen(std::string_view text, Http& http) {
  const std::size_t colon = text.rfind(':');
  std::int64_t port = 0;
  std::string_view host = text.substr(0, colon);
  const bool is_bracketed = host.size() > 2 && host.front() == '[' && host.back() == ']';
  if (is_bracketed) {
    host = host.substr(1, host.size() - 2);
  }
  if (colon == std::string_view::npos || host.empty() ||
      (!is_bracketed && host.find(':') != std::string_view::npos) ||
      !parse_integer(text.substr(colon + 1), 0, 65535, port).empty()) {
    return fmt::format("{} is not HOST:PORT, such as 127.0.0.1:9464 (port 0: any free one)",
                       quote(text));
  }
  http.host = host;
  http.port = static_cast<std::uint16_t>(port);
  return {};
}

// ---- how a field is declared ----

using TextCheck = std::string (*)(std::string_view);

template <class T>
Field text(std::string name, std::string T::*member, std::string help, TextCheck check = nullptr,
           std::string pattern = "") {
  Field field;
  field.name = std::move(name);
  field.help = std::move(help);
  field.pattern = std::move(pattern);
  field.set = [member, check](void* object, const Value& value) -> std::string {
    if (value.text.empty()) {
      return "is empty";
    }
    if (std::string wrong = check != nullptr ? check(value.text) : ""; !wrong.empty()) {
      return wrong;
    }
    static_cast<T*>(object)->*member = value.text;
    return {};
  };
  return field;
}

// A text that becomes something else. `parse` returns what is wrong.
template <class T>
Field parsed(std::string name, std::string help, std::string range, std::string pattern,
             std::string (*parse)(std::string_view, T&)) {
  Field field;
  field.name = std::move(name);
  field.help = std::move(help);
  field.range = std::move(range);
  field.pattern = std::move(pattern);
  field.set = [parse](void* object, const Value& value) {
    return parse(value.text, *static_cast<T*>(object));
  };
  return field;
}

template <class T, class N>
Field integer(std::string name, N T::*member, std::int64_t min, std::int64_t max,
              std::string help) {
  Field field;
  field.name = std::move(name);
  field.help = std::move(help);
  field.type = FieldType::integer;
  field.range = fmt::format("{} … {}", min, max);
  field.minimum = static_cast<double>(min);
  field.maximum = static_cast<double>(max);
  field.set = [member, min, max](void* object, const Value& value) {
    std::int64_t number = 0;
    std::string wrong = parse_integer(value.text, min, max, number);
    if (wrong.empty()) {
      static_cast<T*>(object)->*member = static_cast<N>(number);
    }
    return wrong;
  };
  return field;
}

template <class T>
Field duration(std::string name, milliseconds T::*member, milliseconds min, milliseconds max,
               std::string help) {
  Field field;
  field.name = std::move(name);
  field.help = std::move(help);
  field.type = FieldType::duration;
  field.pattern = "^[0-9]+(ms|s|m|h|d)$";
  field.range = fmt::format("{} … {}", duration_text(min), duration_text(max));
  field.set = [member, min, max](void* object, const Value& value) {
    return read_duration(value.text, min, max, static_cast<T*>(object)->*member);
  };
  return field;
}

template <class T>
Field size(std::string name, std::size_t T::*member, std::int64_t min, std::int64_t max,
           std::string help) {
  Field field;
  field.name = std::move(name);
  field.help = std::move(help);
  field.type = FieldType::size;
  field.pattern = "^[0-9]+(B|KiB|MiB|GiB)$";
  field.range = fmt::format("{} … {}", size_text(min), size_text(max));
  field.set = [member, min, max](void* object, const Value& value) {
    std::int64_t number = 0;
    std::string wrong = read_size(value.text, min, max, number);
    if (wrong.empty()) {
      static_cast<T*>(object)->*member = static_cast<std::size_t>(number);
    }
    return wrong;
  };
  return field;
}

template <class T>
Field flag(std::string name, bool T::*member, std::string help) {
  Field field;
  field.name = std::move(name);
  field.help = std::move(help);
  field.type = FieldType::boolean;
  field.set = [member](void* object, const Value& value) {
    const Status status = option_text::parse(value.text, static_cast<T*>(object)->*member);
    return status.is_ok() ? std::string() : status.message();
  };
  return field;
}

template <class T, class E>
Field choice(std::string name, E T::*member, std::vector<std::pair<std::string, E>> values,
             std::string help) {
  Field field;
  field.name = std::move(name);
  field.help = std::move(help);
  for (const auto& [word, meaning] : values) {
    field.choices.push_back(word);
  }
  field.set = [member, values = std::move(values), words = field.choices](
                  void* object, const Value& value) -> std::string {
    for (const auto& [word, meaning] : values) {
      if (word == value.text) {
        static_cast<T*>(object)->*member = meaning;
        return {};
      }
    }
    return fmt::format("{} is not {}", quote(value.text), alternatives(words));
  };
  return field;
}

template <class T>
Field list(std::string name, std::vector<std::string> T::*member, std::string help) {
  Field field;
  field.name = std::move(name);
  field.help = std::move(help);
  field.type = FieldType::list;
  field.set_list = [member](void* object, std::vector<std::string> items) -> std::string {
    if (items.empty()) {
      return "an empty list: leave the key out";
    }
    for (std::size_t i = 0; i < items.size(); ++i) {
      if (items[i].empty()) {
        return "an empty text in the list";
      }
      if (std::find(items.begin(), items.begin() + static_cast<std::ptrdiff_t>(i), items[i]) !=
          items.begin() + static_cast<std::ptrdiff_t>(i)) {
        return fmt::format("{} is in the list twice", quote(items[i]));
      }
    }
    static_cast<T*>(object)->*member = std::move(items);
    return {};
  };
  return field;
}

template <class T>
Field group(std::string name, std::string help, Group fields, T child) {
  Field field;
  field.name = std::move(name);
  field.help = std::move(help);
  field.type = FieldType::group;
  field.group = std::make_shared<const Group>(std::move(fields));
  field.child = std::move(child);
  return field;
}

// A map of texts under keys of the writer's own.
template <class T>
Field pairs(std::string name, TextPairs T::*member, const std::string& key, std::string help) {
  Field any;
  any.name = key;
  any.help = help;
  any.set = [member](void* object, const Value& value) {
    (static_cast<T*>(object)->*member).emplace_back(value.key, value.text);
    return std::string();
  };
  Group fields;
  fields.any = std::make_shared<const Field>(std::move(any));
  return group(std::move(name), std::move(help), std::move(fields),
               [](void* object, const std::string&) { return object; });
}

Field with_default(std::string fallback, Field field) {
  field.fallback = std::move(fallback);
  return field;
}

Field required(std::string missing, Field field) {
  field.is_required = true;
  field.missing = std::move(missing);
  return field;
}

Field optional(Field field) {
  field.is_optional = true;
  return field;
}

// ---- the fields ----

Group event_time_fields() {
  Group made;
  made.fields = {
      required("name the message's field",
               text("field", &EventTime::field,
                    "Field of the message, a google.protobuf.Timestamp. Null or absent in the "
                    "JSON leaves it absent.")),
      text("from", &EventTime::from,
           "Field of the JSON. Without it: the one that is `field`, by its name or by `rename`."),
      with_default("rfc3339", choice("format", &EventTime::format,
                                     {{"rfc3339", TimeFormat::rfc3339},
                                      {"epoch_s", TimeFormat::epoch_s},
                                      {"epoch_ms", TimeFormat::epoch_ms},
                                      {"epoch_us", TimeFormat::epoch_us},
                                      {"zoneless", TimeFormat::zoneless}},
                                     "How the JSON writes it; zoneless: RFC 3339 without a zone.")),
      parsed<EventTime>("zone", "The zone that zoneless times are in.", "UTC, or +HH:MM",
                        "^(UTC|Z|[+-][0-9]{2}:[0-9]{2})$",
                        [](std::string_view value, EventTime& to) {
                          const auto zone = parse_zone(value);
                          to.zone = zone.value_or(std::chrono::minutes(0));
                          return zone ? ""
                                      : fmt::format("{} is no zone: UTC, or +HH:MM east of it",
                                                    quote(value));
                        }),
  };
  return made;
}

// "off", or a duration.
std::string parse_window(std::string_view text, Dedup& dedup) {
  dedup.window.reset();
  if (text == "off") {
    return {};
  }
  return read_duration(text, kWindowMin, kWindowMax, dedup.window.emplace());
}

Field window() {
  Field made = parsed<Dedup>(
      "window",
      "How long after its last sighting a key is remembered, in Kafka's record time. off: not at "
      "all, the key only tells the stage which fields it is.",
      fmt::format("off, or {} … {}", duration_text(kWindowMin), duration_text(kWindowMax)),
      "^(off|[0-9]+(ms|s|m|h|d))$", parse_window);
  made.type = FieldType::duration;
  return made;
}

// "forever", or a duration, into the `retention` of an Input or an Output.
template <class T>
Field retention(std::string help) {
  Field made = parsed<T>("retention", std::move(help),
                         fmt::format("forever, or {} … {}", duration_text(kRetentionMin),
                                     duration_text(kRetentionMax)),
                         "^(forever|[0-9]+(ms|s|m|h|d))$", [](std::string_view text, T& to) {
                           to.retention = kForEver;
                           return text == "forever" ? std::string()
                                                    : read_duration(text, kRetentionMin,
                                                                    kRetentionMax, *to.retention);
                         });
  made.type = FieldType::duration;
  return made;
}

Group dedup_fields() {
  Group made;
  made.fields = {
      list("key", &Dedup::key,
           "Fields that together make two records the same. Without it the stage's code says. In "
           "JSON they are fields of the record as it came, before `trim` and `defaults`; where the "
           "message has a field of that name, what `rename` makes that field counts too."),
      required("how long is a key remembered? e.g. window: 24h", window()),
      with_default("4", integer("buckets", &Dedup::buckets, 1, 64,
                                "Parts of the window: it is forgotten part by part.")),
      with_default("dead_letter",
                   choice("on_missing_key", &Dedup::on_missing_key,
                          {{"dead_letter", MissingKey::dead_letter}, {"pass", MissingKey::pass}},
                          "What becomes of a record without the key.")),
  };
  return made;
}

Field dedup() {
  Field made =
      group("dedup", "Which records are the same one sent again. Mandatory: off, or a map.",
            dedup_fields(), [](void* object, const std::string&) {
              return &static_cast<Input*>(object)->dedup.emplace();
            });
  made.set_off = [](void* object) { static_cast<Input*>(object)->dedup.reset(); };
  return required("say dedup: off, or for how long, e.g. dedup: {window: 24h}", std::move(made));
}

Field format() {
  Field made =
      choice("format", &Input::format,
             {{"json", Format::json}, {"protobuf", Format::protobuf}, {"bytes", Format::bytes}},
             "How values are written.");
  made.derived = [](const Node& input) { return input.find("topic") ? "json" : "protobuf"; };
  made.derived_help = "json for a topic, protobuf for a dataset";
  return made;
}

Field start() {
  Field made = parsed<Start>(
      "start",
      "Where to begin, only where the group has never committed: a later start goes on from there. "
      "Where a transaction is open then, no later than that begins.",
      "earliest, latest, or an RFC 3339 time", "^(earliest|latest|[0-9]{4}-[0-9]{2}-[0-9]{2}T.*)$",
      [](std::string_view value, Start& to) {
        const auto time = parse_time(value);
        to.at = value == "latest" ? StartAt::latest : time ? StartAt::time : StartAt::earliest;
        to.time = time.value_or(Timestamp());
        return time || value == "latest" || value == "earliest"
                   ? ""
                   : fmt::format(
                         "{} is not earliest, latest or a time such as 2026-01-31T00:00:00Z",
                         quote(value));
      });
  made.set = [set = made.set](void* object, const Value& value) {
    return set(&static_cast<Input*>(object)->start, value);
  };
  return with_default("earliest", std::move(made));
}

Group input_fields() {
  Group made;
  made.exactly_one = {"topic", "dataset"};
  made.fields = {
      text("topic", &Input::topic, "An external topic, under the name that Kafka knows.",
           check_topic, "^[A-Za-z0-9._-]{1,249}$"),
      text("dataset", &Input::dataset, "A dataset that another deployment writes.", check_dataset,
           kNamePattern),
      integer("version", &Input::version, 1, 999'999, "The dataset's version that is read."),
      format(),
      text("message", &Input::message,
           "Full name of the protobuf message, where the stage leaves it open. Without it values "
           "pass on untouched.",
           check_message, kMessagePattern),
      optional(group("event_time", "Fills a Timestamp of the message; touches nothing else.",
                     event_time_fields(),
                     [](void* object, const std::string&) {
                       return &static_cast<Input*>(object)->event_time.emplace();
                     })),
      pairs("rename", &Input::rename, "FIELD", "Field of the JSON → field of the message."),
      pairs("defaults", &Input::defaults, "FIELD",
            "Field of the message → its value where the JSON has none."),
      list("trim", &Input::trim, "Text fields that lose the white space around them."),
      with_default("count", choice("unknown_fields", &Input::unknown_fields,
                                   {{"count", UnknownFields::count},
                                    {"dead_letter", UnknownFields::dead_letter}},
                                   "What becomes of JSON fields that the message doesn't have.")),
      with_default("10MiB", size("value_bytes_max", &Input::value_bytes_max, 1, 1 << 30,
                                 "A larger value is a dead letter.")),
      with_default("64", integer("depth_max", &Input::depth_max, 1, kMessageDepthMax,
                                 "A value that is nested deeper is a dead letter.")),
      dedup(),
      start(),
      retention<Input>("How long an external topic keeps its records, once `weir topics apply` "
                       "has created it. Without it: for ever."),
  };
  return made;
}

Group output_fields() {
  Group made;
  made.fields = {
      required("name the dataset that this output writes",
               text("dataset", &Output::dataset,
                    "The dataset, written in the deployment's version: topic "
                    "`<dataset>.v<version>`.",
                    check_dataset, kNamePattern)),
      text("message", &Output::message,
           "Full name of the values' message, for those who read the dataset, such as `weir tap`. "
           "Without it: that of the only input, where the file names it.",
           check_message, kMessagePattern),
      with_default("false", flag("root", &Output::root,
                                 "Mandatory where the stage writes under keys of its own: the "
                                 "topic then has an order of its own, and the broker's clock.")),
      retention<Output>("How long the topic keeps its records, once `weir topics apply` has "
                        "created it: no shorter than the input's, or a replay would be deleted "
                        "as it is written (a root's records are as young as their writing: it may "
                        "be shorter). Without it: as long as the longest of the inputs'."),
  };
  return made;
}

// The fields of `inputs` or `outputs`: one per port of the spec, or any name.
template <class Port, class Make>
Group ports(const StageSpec* spec, const std::vector<Port>* declared, const char* noun,
            const std::string& missing, const Make& make) {
  Group made;
  if (spec == nullptr) {
    Field any = make("");
    any.name = "NAME";
    any.help = fmt::format("An {} of the stage.", noun);
    made.any = std::make_shared<const Field>(std::move(any));
    return made;
  }
  made.noun = noun;
  made.owner = spec->name();
  for (const Port& port : *declared) {
    Field field = make(port.help);
    field.name = port.name;
    made.fields.push_back(required(missing, std::move(field)));
  }
  return made;
}

Field option(const OptionSpec& declared) {
  Field made;
  made.name = declared.name;
  made.help = declared.help;
  made.fallback = declared.default_value;
  made.range = declared.range;
  made.type = declared.type == "boolean"   ? FieldType::boolean
              : declared.type == "integer" ? FieldType::integer
              : declared.type == "number"  ? FieldType::number
                                           : FieldType::text;
  made.set = [set = declared.set, type = made.type](void* object, const Value& value) {
    std::int64_t number = 0;
    if (type == FieldType::integer && value.text.size() > 1) {
      std::string wrong = parse_integer(value.text, std::numeric_limits<std::int64_t>::min(),
                                        std::numeric_limits<std::int64_t>::max(), number);
      if (!wrong.empty()) {
        return wrong;
      }
    }
    const Status status = set(object, value.text);
    return status.is_ok() ? std::string() : status.message();
  };
  return made;
}

Group option_fields(const StageSpec* spec) {
  Group made;
  if (spec == nullptr) {
    Field any;
    any.name = "OPTION";
    any.help = "An option of the stage; `<stage> schema` lists them.";
    any.set = [](void*, const Value&) { return std::string(); };
    made.any = std::make_shared<const Field>(std::move(any));
    return made;
  }
  made.noun = "option";
  made.owner = spec->name();
  for (const OptionSpec& declared : spec->options()) {
    made.fields.push_back(option(declared));
  }
  return made;
}

Field http() {
  Group fields;
  fields.fields = {with_default(
      "127.0.0.1:0", parsed<Http>("listen", "Address of metrics, health and status.",
                                  "HOST:PORT; port 0: any free one", "^.+:[0-9]+$", parse_listen))};
  Field made = group("http", "Metrics, health and status. off: not served.", std::move(fields),
                     [](void* object, const std::string&) {
                       return &static_cast<Deployment*>(object)->http.emplace();
                     });
  made.set_off = [](void* object) { static_cast<Deployment*>(object)->http.reset(); };
  return made;
}

Field kafka() {
  const auto add = [](void* object, const Value& value) {
    static_cast<Deployment*>(object)->kafka.push_back({value.key, value.text, value.is_secret});
    return std::string();
  };
  Field servers;
  servers.name = "bootstrap.servers";
  servers.help = "Brokers to begin with, HOST:PORT joined by commas.";
  servers.fallback = "127.0.0.1:9092";
  servers.set = add;
  Field any;
  any.name = "PROPERTY";
  any.help = "Any property of librdkafka, except those that would break exactly-once.";
  any.set = add;
  Group fields;
  fields.fields = {std::move(servers)};
  fields.any = std::make_shared<const Field>(std::move(any));
  fields.has_dotted_keys = true;
  return group("kafka", "Passed on to the client.", std::move(fields),
               [](void* object, const std::string&) { return object; });
}

Field proto() {
  Field made = list("proto", &Deployment::import_roots,
                    "Folders in which .proto files and their imports are looked for, relative to "
                    "this file's folder.");
  made.derived = [](const Node& deployment) {
    return deployment.find("descriptor_set") ? "" : "[../proto]";
  };
  made.derived_help = "[../proto], without descriptor_set";
  return made;
}

Field turn() {
  Group fields;
  fields.fields = {
      with_default(
          "100ms",
          duration("interval_max", &Turn::interval_max, milliseconds(1), std::chrono::seconds(30),
                   "A turn commits when it is this old: what a reader waits. At most half "
                   "of `kafka: transaction.timeout.ms`, which is 30 s unless set.")),
      with_default("50000", integer("records_max", &Turn::records_max, 1, 10'000'000,
                                    "… or holds this many records,")),
      with_default("64MiB", size("bytes_max", &Turn::bytes_max, 1 << 10, 1 << 30,
                                 "… or produced this many bytes.")),
  };
  return group(
      "turn", "When the transaction of a turn commits.", std::move(fields),
      [](void* object, const std::string&) { return &static_cast<Deployment*>(object)->turn; });
}

Field log() {
  Group fields;
  fields.fields = {with_default("info", choice("level", &Deployment::log_level,
                                               {{"debug", LogLevel::debug},
                                                {"info", LogLevel::info},
                                                {"warning", LogLevel::warning},
                                                {"error", LogLevel::error}},
                                               "The least severe lines that are written."))};
  return group("log", "JSON lines on standard error.", std::move(fields),
               [](void* object, const std::string&) { return object; });
}

Field inputs(const StageSpec* spec) {
  const auto make = [](std::string help) {
    return group("", std::move(help), input_fields(), [](void* object, const std::string& name) {
      auto& all = static_cast<Deployment*>(object)->inputs;
      all.emplace_back().name = name;
      return &all.back();
    });
  };
  return group("inputs", "Each input of the stage, bound to what it reads.",
               ports(spec, spec != nullptr ? &spec->inputs() : nullptr, "input",
                     "say what it reads: topic, or dataset and version", make),
               [](void* object, const std::string&) { return object; });
}

Field outputs(const StageSpec* spec) {
  const auto make = [](std::string help) {
    return group("", std::move(help), output_fields(), [](void* object, const std::string& name) {
      auto& all = static_cast<Deployment*>(object)->outputs;
      all.emplace_back().name = name;
      return &all.back();
    });
  };
  return group("outputs", "Each output of the stage, bound to the dataset that it writes.",
               ports(spec, spec != nullptr ? &spec->outputs() : nullptr, "output",
                     "bind it: {dataset: NAME}", make),
               [](void* object, const std::string&) { return object; });
}

}  // namespace

std::optional<Timestamp> parse_time(std::string_view text) {
  google::protobuf::Timestamp time;
  // It reads up to a NUL byte.
  if (text.find('\0') != std::string_view::npos ||
      !google::protobuf::util::TimeUtil::FromString(std::string(text), &time)) {
    return std::nullopt;
  }
  return Timestamp(google::protobuf::util::TimeUtil::TimestampToMilliseconds(time));
}

std::string check_topic(std::string_view text) {
  const bool is_plain = std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '-';
  });
  if (!is_plain || text.empty() || text.size() > kTopicBytesMax || text == "." || text == "..") {
    return fmt::format(
        "{} can't be a topic: Kafka takes at most {} letters, digits and the characters . _ -",
        quote(text), kTopicBytesMax);
  }
  return {};
}

bool is_name(std::string_view text) {
  if (text.empty() || text.size() > kNameBytesMax) {
    return false;
  }
  bool begins_word = true;
  for (const char c : text) {
    const bool is_letter = c >= 'a' && c <= 'z';
    if (begins_word ? !is_letter
                    : !is_letter && !(c >= '0' && c <= '9') && c != '_' && c != '.' && c != '-') {
      return false;
    }
    begins_word = c == '.' || c == '-';
  }
  return !begins_word;
}

Group fields_of(const StageSpec* spec) {
  Group made;
  made.fields = {
      required("name the program, e.g. stage: ingest",
               text("stage", &Deployment::stage, "The stage that runs: the program's name.",
                    check_name, kNamePattern)),
      text("name", &Deployment::name,
           "Tells deployments of one stage apart. The deployment is `<stage>-<name>`, or "
           "`<stage>`; the "
           "file is named after it.",
           check_name, kNamePattern),
      with_default("1", integer("version", &Deployment::version, 1, 999'999,
                                "Shared by the outputs, dead letters, consumer group and state.")),
      inputs(spec),
      outputs(spec),
      group("options", "The stage's own options.", option_fields(spec),
            [](void* object, const std::string&) {
              return static_cast<Deployment*>(object)->options.get();
            }),
      proto(),
      text("descriptor_set", &Deployment::descriptor_set,
           "A compiled FileDescriptorSet in place of proto, relative to this file's folder."),
      with_default("1", integer("lanes", &Deployment::lanes, 1, 256,
                                "Threads, each with its own consumer and producer.")),
      turn(),
      with_default(kStateDefault,
                   text("state", &Deployment::state,
                        "Root folder of local state, relative to the working directory.")),
      http(),
      kafka(),
      log(),
      with_default(kInstanceDefault,
                   text("instance", &Deployment::instance,
                        "Unique among the live processes of the deployment, and stable: a "
                        "StatefulSet's ordinal.",
                        check_instance, "^[A-Za-z0-9_-]{1,100}$")),
  };
  return made;
}

}  // namespace weir::config
