#include "testing/cases.h"

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <memory>
#include <regex>
#include <sstream>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <google/protobuf/dynamic_message.h>
#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>
#include <google/protobuf/struct.pb.h>

#include "codec/scalars.h"
#include "config/yaml.h"
#include "testing/json_reader.h"
#include "testing/stage_driver.h"
#include "text/words.h"

namespace weir {

namespace {

using config::Entry;
using config::Node;
using google::protobuf::Descriptor;

constexpr std::int64_t kBeginning = 1'700'000'000'000;

// The same bytes for equal messages, whatever the order they were written in.
std::string canonical(const Descriptor* type, const std::string& wire) {
  google::protobuf::DynamicMessageFactory factory;
  const std::unique_ptr<google::protobuf::Message> message(factory.GetPrototype(type)->New());
  std::string bytes;
  if (!message->ParseFromString(wire)) {
    return "no message: " + wire;
  }
  google::protobuf::io::StringOutputStream stream(&bytes);
  google::protobuf::io::CodedOutputStream out(&stream);
  out.SetSerializationDeterministic(true);
  message->SerializeToCodedStream(&out);
  out.Trim();
  return bytes;
}

// One file: reads it, runs it, and gathers what is wrong with it or with the stage.
class Case {
 public:
  Case(const StageSpec& spec, const SimDeployment& deployment, std::string config_file,
       std::string file)
      : spec_(spec),
        deployment_(deployment),
        config_file_(std::move(config_file)),
        file_(std::move(file)) {}

  // Lines of "file:line:col: text"; empty: it passed.
  std::string run() {
    std::ostringstream text;
    text << std::ifstream(file_, std::ios::binary).rdbuf();
    std::istringstream lines(text.str());
    for (std::string line; std::getline(lines, line);) {
      lines_.push_back(line);
    }
    const config::Document document = config::read_yaml(text.str(), file_);
    for (const config::Problem& problem : document.problems) {
      say(problem.place, problem.text);
    }
    if (!said_.empty()) {
      return said_;
    }
    if (!document.root || !is_map(*document.root, {"name", "input", "expect"})) {
      return said_.empty() ? file_ + ":1:1: a case has input and expect\n" : said_;
    }
    const Node& root = *document.root;
    const Node* input = list_of(root, "input");
    const Node* expect = root.find("expect");
    if (input == nullptr || input->items.empty() || expect == nullptr) {
      say(root.place, "a case has input and expect, neither of them empty");
    } else if (expect->entries.empty()) {
      say(expect->place,
          "nothing is expected, so nothing would be tested: say outputs, dead_letters, duplicates "
          "or dropped");
    }
    if (!said_.empty() || !is_map(*expect, {"outputs", "dead_letters", "duplicates", "dropped"})) {
      return said_;
    }
    try {
      StageDriver driver(spec_, ConfigFile{config_file_});
      for (const Node& record : input->items) {
        pipe(driver, record);
      }
      if (said_.empty()) {
        check(driver, *expect);
      }
    } catch (const TestFailure& failure) {
      say(root.place, failure.what());
    }
    const Node* name = root.find("name");
    return said_.empty() || name == nullptr ? said_ : fmt::format("{}:\n{}", name->text, said_);
  }

 private:
  void say(const config::Place& place, std::string_view text) {
    said_ += fmt::format("{}: {}\n", config::to_string(place), text);
  }

  // A map with these keys only.
  bool is_map(const Node& node, const std::vector<std::string_view>& keys) {
    if (node.kind != Node::Kind::map) {
      say(node.place, fmt::format("here stands a map of {}", fmt::join(keys, ", ")));
      return false;
    }
    bool is_right = true;
    for (const Entry& entry : node.entries) {
      if (std::find(keys.begin(), keys.end(), entry.key) == keys.end()) {
        say(entry.place, fmt::format("{} is none of {}", entry.key, fmt::join(keys, ", ")));
        is_right = false;
      }
    }
    return is_right;
  }

  const Node* list_of(const Node& node, std::string_view key) {
    const Node* list = node.find(key);
    if (list != nullptr && list->kind != Node::Kind::list) {
      say(list->place, fmt::format("{} is a list: [ … ]", key));
      return nullptr;
    }
    return list;
  }

  // `text` is left alone when there is no such key.
  bool text_of(const Node& node, std::string_view key, std::optional<std::string>& text) {
    const Node* value = node.find(key);
    if (value == nullptr) {
      return false;
    }
    if (value->kind != Node::Kind::scalar) {
      say(value->place, fmt::format("{} is text", key));
      return false;
    }
    text = value->text;
    return true;
  }

  // Text, or {base64: …}. Left alone where it is neither.
  void bytes_of(const Node& node, std::string_view what, std::optional<std::string>& bytes) {
    std::optional<std::string> base64;
    if (node.kind == Node::Kind::scalar) {
      bytes = node.text;
    } else if (!is_map(node, {"base64"}) || !text_of(node, "base64", base64)) {
      say(node.place, fmt::format("{} is text, or {{base64: …}}", what));
    } else if (decode_base64(*base64, bytes.emplace()) != Parsed::ok) {
      say(node.place, "this is no base64");
    }
  }

  template <class Number>
  bool number_of(const Node& value, std::string_view key, Number& number) {
    const char* end = value.text.data() + value.text.size();
    const auto read = std::from_chars(value.text.data(), end, number);
    if (value.kind != Node::Kind::scalar || read.ec != std::errc() || read.ptr != end) {
      say(value.place, fmt::format("{} is a whole number", key));
      return false;
    }
    return true;
  }

  // What stood there, before YAML took the quotes away.
  bool is_quoted(const Node& scalar) const {
    const auto line = static_cast<std::size_t>(scalar.place.line - 1);
    if (line >= lines_.size()) {
      return false;
    }
    int column = 0;
    for (const char c : lines_[line]) {
      column += (static_cast<unsigned char>(c) & 0xC0U) == 0x80U ? 0 : 1;
      if (column == scalar.place.column) {
        return c == '"' || c == '\'' || c == '|' || c == '>';
      }
    }
    return false;
  }

  std::string json_of(const Node& node) const {
    static const std::regex literal(
        R"(true|false|null|-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?)");
    std::string json;
    switch (node.kind) {
      case Node::Kind::nothing:
      case Node::Kind::refused:
        return "null";
      case Node::Kind::scalar:
        return !is_quoted(node) && std::regex_match(node.text, literal) ? node.text
                                                                        : json_quote(node.text);
      case Node::Kind::list:
        for (const Node& item : node.items) {
          json += (json.empty() ? "" : ",") + json_of(item);
        }
        return "[" + json + "]";
      case Node::Kind::map:
        for (const Entry& entry : node.entries) {
          json += (json.empty() ? "" : ",") + json_quote(entry.key) + ":" + json_of(entry.value);
        }
        return "{" + json + "}";
    }
    return json;
  }

  // ---- input ----

  void pipe(StageDriver& driver, const Node& node) {
    if (!is_map(node, {"json", "value", "base64", "input", "key", "timestamp", "headers"})) {
      return;
    }
    Piped record;
    timestamp_ += 1;
    if (const Node* timestamp = node.find("timestamp")) {
      number_of(*timestamp, "timestamp", timestamp_);
    }
    record.timestamp = Timestamp(timestamp_);
    if (const Node* key = node.find("key")) {
      bytes_of(*key, "key", record.key);
    }
    if (const Node* headers = list_of(node, "headers")) {
      for (const Node& header : headers->items) {
        if (header.kind != Node::Kind::map || header.entries.size() != 1) {
          say(header.place, "a header is a map of one entry: {name: text}");
          continue;
        }
        const Entry& entry = header.entries.front();
        auto& [name, value] = record.headers.emplace_back(entry.key, std::nullopt);
        if (entry.value.kind != Node::Kind::nothing) {
          bytes_of(entry.value, name, value);
        }
      }
    }
    std::optional<std::string> input = deployment_.deployment.inputs.front().name;
    text_of(node, "input", input);
    const auto& inputs = deployment_.deployment.inputs;
    const auto port =
        std::find_if(inputs.begin(), inputs.end(), [&](const auto& i) { return i.name == *input; });
    if (port == inputs.end()) {
      say(node.find("input")->place, fmt::format("{} has no input {}", spec_.name(), *input));
      return;
    }
    read_value(node, deployment_.plan.formats[static_cast<std::size_t>(port - inputs.begin())],
               record.value);
    if (said_.empty()) {
      driver.pipe(port->topic, record);
    }
  }

  void read_value(const Node& node, const InputFormat& format, std::optional<std::string>& value) {
    std::optional<std::string> base64;
    int count = text_of(node, "value", value) ? 1 : 0;
    if (text_of(node, "base64", base64)) {
      ++count;
      if (decode_base64(*base64, value.emplace()) != Parsed::ok) {
        say(node.find("base64")->place, "this is no base64");
      }
    }
    if (const Node* json = node.find("json")) {
      ++count;
      value = json_of(*json);
      if (takes_wire_messages(format)) {
        value = wire_of(format.descriptor, *value, json->place);
      }
    }
    if (count > 1) {
      say(node.place, "a record has one of json, value and base64");
    }
  }

  std::string wire_of(const Descriptor* type, const std::string& json, const config::Place& place) {
    Result<std::string> wire = JsonReader(type, UnknownFields::dead_letter).read(json);
    if (!wire.is_ok()) {
      say(place, fmt::format("this is no {}: {}", type->full_name(), wire.status().message()));
      return "";
    }
    return std::move(wire).value();
  }

  // ---- expect ----

  void check(StageDriver& driver, const Node& expect) {
    if (const Node* outputs = expect.find("outputs")) {
      for (const Entry& output : outputs->entries) {
        check_output(driver, output);
      }
    }
    if (const Node* letters = list_of(expect, "dead_letters")) {
      check_dead_letters(driver.dead_letters(), *letters);
    }
    const SimCounts counts = driver.counts();
    if (const Node* duplicates = expect.find("duplicates")) {
      check_count(*duplicates, "duplicates", counts.turns.duplicates);
    }
    if (const Node* dropped = expect.find("dropped")) {
      for (const Entry& entry : dropped->entries) {
        const auto found = counts.dropped.find(entry.key);
        check_count(entry.value, entry.key, found == counts.dropped.end() ? 0 : found->second);
      }
      for (const auto& [reason, count] : counts.dropped) {
        if (dropped->find(reason) == nullptr) {
          say(dropped->place, fmt::format("{} were dropped: {}", count, reason));
        }
      }
    }
  }

  void check_count(const Node& node, std::string_view what, std::uint64_t count) {
    std::uint64_t expected = 0;
    if (number_of(node, what, expected) && expected != count) {
      say(node.place, fmt::format("{}: expected {}, got {}", what, expected, count));
    }
  }

  void check_output(StageDriver& driver, const Entry& expected) {
    const auto& ports = spec_.outputs();
    const auto port = std::find_if(ports.begin(), ports.end(),
                                   [&](const OutputSpec& o) { return o.name == expected.key; });
    if (port == ports.end() || expected.value.kind != Node::Kind::list) {
      say(expected.place, port == ports.end()
                              ? fmt::format("{} has no output {}", spec_.name(), expected.key)
                              : fmt::format("{} is a list: [ … ]", expected.key));
      return;
    }
    const auto index = static_cast<std::size_t>(port - ports.begin());
    const Descriptor* type = deployment_.output_type(index);
    const std::vector<Arrived> records = driver.read_records(deployment_.plan.output_topics[index]);
    const std::vector<Node>& items = expected.value.items;
    for (std::size_t i = 0; i < items.size(); ++i) {
      const std::string got = i < records.size() ? shown(type, records[i].value) : "nothing";
      if (i >= records.size() || !is_same(type, items[i], records[i].value)) {
        say(items[i].place, fmt::format("{} {}: expected\n    {}\n  got\n    {}", expected.key, i,
                                        text_or_json(items[i]), got));
      }
    }
    for (std::size_t i = items.size(); i < records.size(); ++i) {
      say(expected.place, fmt::format("{} {}: expected no more, got\n    {}", expected.key, i,
                                      shown(type, records[i].value)));
    }
  }

  std::string text_or_json(const Node& node) const {
    return node.kind == Node::Kind::scalar ? node.text : json_of(node);
  }

  bool is_same(const Descriptor* type, const Node& expected, const std::string& value) {
    if (type != nullptr) {
      return canonical(type, wire_of(type, text_or_json(expected), expected.place)) ==
             canonical(type, value);
    }
    if (expected.kind == Node::Kind::scalar) {
      return expected.text == value;
    }
    const Descriptor* any = google::protobuf::Struct::descriptor();
    const Result<std::string> got = JsonReader(any, UnknownFields::count).read(value);
    return got.is_ok() && canonical(any, wire_of(any, json_of(expected), expected.place)) ==
                              canonical(any, got.value());
  }

  void check_dead_letters(const std::vector<DeadLettered>& letters, const Node& expected) {
    for (std::size_t i = 0; i < expected.items.size(); ++i) {
      const Node& item = expected.items[i];
      std::optional<std::string> reason;
      std::optional<std::string> value;
      if (!is_map(item, {"reason", "value"}) || !text_of(item, "reason", reason)) {
        say(item.place, "a dead letter is {reason: WORD}");
        continue;
      }
      text_of(item, "value", value);
      if (i >= letters.size() || letters[i].reason != *reason) {
        say(item.place,
            fmt::format(
                "dead letter {}: expected {}, got {}", i, *reason,
                i < letters.size() ? letters[i].reason + ": " + letters[i].message : "nothing"));
      } else if (value && *value != letters[i].record.value) {
        say(item.place, fmt::format("dead letter {}: expected\n    {}\n  got\n    {}", i, *value,
                                    shown(nullptr, letters[i].record.value)));
      }
    }
    for (std::size_t i = expected.items.size(); i < letters.size(); ++i) {
      say(expected.place, fmt::format("dead letter {}: expected no more, got {}: {}", i,
                                      letters[i].reason, letters[i].message));
    }
  }

  const StageSpec& spec_;
  const SimDeployment& deployment_;
  const std::string config_file_;
  const std::string file_;
  std::vector<std::string> lines_;
  std::int64_t timestamp_ = kBeginning - 1;
  std::string said_;
};

}  // namespace

void run_cases(const StageSpec& spec, const std::string& config_file, const std::string& folder) {
  const Result<SimDeployment> deployment = SimDeployment::load({spec, ConfigFile{config_file}});
  if (!deployment.is_ok()) {
    throw TestFailure(deployment.status().message());
  }
  std::vector<std::string> files;
  std::error_code missing;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder, missing)) {
    if (entry.path().extension() == ".yaml") {
      files.push_back(entry.path().string());
    }
  }
  std::sort(files.begin(), files.end());
  if (files.empty()) {
    throw TestFailure(fmt::format("{} holds no case: *.yaml", folder));
  }
  std::string said;
  for (const std::string& file : files) {
    said += Case(spec, deployment.value(), config_file, file).run();
  }
  if (!said.empty()) {
    throw TestFailure(said);
  }
}

}  // namespace weir
