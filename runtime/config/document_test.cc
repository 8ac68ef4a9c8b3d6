#include "config/document.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <regex>
#include <string>

#include <google/protobuf/struct.pb.h>
#include <google/protobuf/util/json_util.h>
#include <gtest/gtest.h>

#include "config/test_stages.h"

namespace weir::config {
namespace {

using google::protobuf::Struct;
using JsonValue = google::protobuf::Value;

std::string content_of(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

// ---- a validator, small and independent of how the schema is made ----

JsonValue parsed_schema(const StageSpec* spec) {
  JsonValue value;
  const std::string text = json_schema(spec);
  const auto status = google::protobuf::util::JsonStringToMessage(text, &value);
  EXPECT_TRUE(status.ok()) << status.ToString() << text;
  return value;
}

// What an editor makes of a plain scalar.
std::string type_of(const Node& node) {
  static const std::regex kNumber("-?[0-9]+(\\.[0-9]+)?");
  return node.kind == Node::Kind::map                  ? "object"
         : node.kind == Node::Kind::list               ? "array"
         : node.kind == Node::Kind::nothing            ? "null"
         : std::regex_match(node.text, kNumber)        ? "number"
         : node.text == "true" || node.text == "false" ? "boolean"
                                                       : "string";
}

bool has_type(const std::string& type, const JsonValue& wanted) {
  if (wanted.has_list_value()) {
    for (const JsonValue& one : wanted.list_value().values()) {
      if (has_type(type, one)) {
        return true;
      }
    }
    return false;
  }
  return wanted.string_value() == type || (wanted.string_value() == "integer" && type == "number");
}

bool is_valid(const Node& node, const JsonValue& schema);

bool is_valid_map(const Node& node, const Struct& schema) {
  const auto& fields = schema.fields();
  if (fields.contains("required")) {
    for (const JsonValue& key : fields.at("required").list_value().values()) {
      if (node.find(key.string_value()) == nullptr) {
        return false;
      }
    }
  }
  for (const Entry& entry : node.entries) {
    if (fields.contains("properties") &&
        fields.at("properties").struct_value().fields().contains(entry.key)) {
      if (!is_valid(entry.value, fields.at("properties").struct_value().fields().at(entry.key))) {
        return false;
      }
    } else if (fields.contains("additionalProperties") &&
               !is_valid(entry.value, fields.at("additionalProperties"))) {
      return false;
    }
  }
  return true;
}

int count_valid(const Node& node, const JsonValue& schemas) {
  int count = 0;
  for (const JsonValue& one : schemas.list_value().values()) {
    count += is_valid(node, one) ? 1 : 0;
  }
  return count;
}

bool is_valid(const Node& node, const JsonValue& schema) {
  if (schema.kind_case() == JsonValue::kBoolValue) {
    return schema.bool_value();
  }
  const auto& fields = schema.struct_value().fields();
  if (fields.contains("type") && !has_type(type_of(node), fields.at("type"))) {
    return false;
  }
  if (fields.contains("anyOf") && count_valid(node, fields.at("anyOf")) == 0) {
    return false;
  }
  if (fields.contains("oneOf") && count_valid(node, fields.at("oneOf")) != 1) {
    return false;
  }
  if (fields.contains("enum")) {
    bool is_found = false;
    for (const JsonValue& one : fields.at("enum").list_value().values()) {
      is_found = is_found || (node.kind == Node::Kind::scalar && one.string_value() == node.text);
    }
    if (!is_found) {
      return false;
    }
  }
  if (fields.contains("pattern") && type_of(node) == "string" &&
      !std::regex_search(node.text, std::regex(fields.at("pattern").string_value()))) {
    return false;
  }
  if (type_of(node) == "number") {
    const double number = std::stod(node.text);
    if ((fields.contains("minimum") && number < fields.at("minimum").number_value()) ||
        (fields.contains("maximum") && number > fields.at("maximum").number_value())) {
      return false;
    }
  }
  if (fields.contains("items")) {
    for (const Node& item : node.items) {
      if (!is_valid(item, fields.at("items"))) {
        return false;
      }
    }
  }
  return node.kind != Node::Kind::map || is_valid_map(node, schema.struct_value());
}

bool fits(const std::string& text, const JsonValue& schema) {
  return is_valid(read_yaml(text, "f").root.value(), schema);
}

TEST(Schema, TheShippedFilesFit) {
  const JsonValue schema = parsed_schema(nullptr);
  int files = 0;
  for (const auto& entry : std::filesystem::directory_iterator("config")) {
    if (entry.path().extension() == ".yaml") {
      EXPECT_TRUE(fits(content_of(entry.path().string()), schema)) << entry.path();
      ++files;
    }
  }
  EXPECT_GE(files, 5);
}

constexpr const char* kSpam =
    "stage: spam\n"
    "inputs:\n"
    "  comments: {dataset: comments, version: 1, dedup: {window: 24h}}\n"
    "outputs:\n"
    "  classified: {dataset: comments.classified}\n";

TEST(Schema, OfAStageKnowsItsPortsAndOptions) {
  const StageSpec spec = testing::spam_spec();
  const JsonValue schema = parsed_schema(&spec);
  const std::string spam = kSpam;
  EXPECT_TRUE(fits(spam, schema));
  EXPECT_TRUE(fits(spam + "options: {threshold: 0.5, is_strict: true, model: x}\n", schema));
  EXPECT_TRUE(fits(spam + "lanes: ${LANES}\nlog: {level: \"${LEVEL:-info}\"}\n", schema));
  EXPECT_TRUE(fits(spam + "http: off\ninstance: 3\n", schema));
  EXPECT_TRUE(fits(spam + "kafka: {linger.ms: 5, client.id: x}\n", schema));
  for (const char* wrong :
       {"lane: 2\n", "lanes: 0\n", "lanes: many\n", "options: {treshold: 1}\n",
        "options: {is_strict: no}\n", "options: {batch_records_max: x}\n",
        "turn: {interval_max: 100}\n", "turn: {bytes_max: 64MB}\n", "log: {level: loud}\n",
        "http: on\n", "proto: x\n", "kafka: [a]\n", "instance: a b\n"}) {
    EXPECT_FALSE(fits(spam + wrong, schema)) << wrong;
  }
  const auto changed = [&spam](const std::string& from, const std::string& to) {
    std::string text = spam;
    return text.replace(text.find(from), from.size(), to);
  };
  EXPECT_FALSE(fits(changed("classified:", "clasified:"), schema));
  EXPECT_FALSE(fits(changed(", dedup: {window: 24h}", ""), schema));
  EXPECT_FALSE(fits(changed("dedup: {window: 24h}", "dedup: {window: 1}"), schema));
  EXPECT_FALSE(fits(changed("dataset: comments,", "dataset: comments, topic: x,"), schema));
  EXPECT_FALSE(fits(changed("stage: spam\n", ""), schema));
}

// What is generated is committed. WEIR_UPDATE_GENERATED=1 writes it anew.
void expect_committed(const std::string& path, const std::string& generated) {
  if (std::getenv("WEIR_UPDATE_GENERATED") != nullptr) {
    std::ofstream(path, std::ios::binary) << generated;
  }
  EXPECT_EQ(content_of(path), generated)
      << path << " is out of date: run this test with WEIR_UPDATE_GENERATED=1 and commit it";
}

TEST(Generated, TheReferenceIsTheCommittedOne) {
  expect_committed("config/REFERENCE.md", reference());
}

TEST(Generated, TheSchemaIsTheCommittedOne) {
  expect_committed("config/deployment.schema.json", json_schema(nullptr));
}

// ---- echo ----

TEST(Echo, SaysWhereEachValueComesFrom) {
  const StageSpec spec = testing::spam_spec();
  LoadOptions options;
  options.spec = &spec;
  options.environment = {{"WEIR__LANES", "2"}, {"KEY", "x"}, {"KIND", "space"}};
  const Loaded loaded =
      load_text(std::string(kSpam) +
                    "kafka: {sasl.password: hunter2, client.id: \"${SITE:-a b}\"}\n"
                    "proto: [../proto, \"with ${KIND}\"]\n"
                    "options: {model: \"$${x}${KEY}${NO:-}\"}\n",
                "config/spam.yaml", options);
  ASSERT_TRUE(loaded.deployment) << loaded.status().message();
  EXPECT_EQ(echo(*loaded.deployment), R"(stage: spam  # config/spam.yaml:1:8
version: 1  # default
inputs:
  comments:
    dataset: comments  # config/spam.yaml:3:23
    version: 1  # config/spam.yaml:3:42
    format: protobuf  # default
    unknown_fields: count  # default
    value_bytes_max: 10MiB  # default
    depth_max: 64  # default
    dedup:
      window: 24h  # config/spam.yaml:3:61
      buckets: 4  # default
      on_missing_key: dead_letter  # default
    start: earliest  # default
outputs:
  classified:
    dataset: comments.classified  # config/spam.yaml:5:25
    root: false  # default
options:
  model: "$${x}x"  # config/spam.yaml:8:18, ${KEY}, default of ${NO}
  threshold: 0.5  # default
  batch_records_max: 2000  # default
  is_strict: false  # default
  api_secret: none  # default
proto: [../proto, "with space"]  # config/spam.yaml:7:8, ${KIND}
lanes: 2  # WEIR__LANES
turn:
  interval_max: 100ms  # default
  records_max: 50000  # default
  bytes_max: 64MiB  # default
state: state  # default
http:
  listen: 127.0.0.1:0  # default
kafka:
  bootstrap.servers: 127.0.0.1:9092  # default
  sasl.password: "***"  # config/spam.yaml:6:24
  client.id: "a b"  # config/spam.yaml:6:44, default of ${SITE}
log:
  level: info  # default
instance: 0  # default
)");
}

TEST(Echo, LoadsAgainAsTheSame) {
  for (const char* file : {"config/ingest-comments.yaml", "config/route-comments.yaml"}) {
    const Loaded first = load(file, {});
    ASSERT_TRUE(first.deployment) << first.status().message();
    const Loaded second = load_text(echo(*first.deployment), file, {});
    ASSERT_TRUE(second.deployment) << second.status().message();
    ASSERT_EQ(first.deployment->settings.size(), second.deployment->settings.size());
    for (std::size_t i = 0; i < first.deployment->settings.size(); ++i) {
      EXPECT_EQ(first.deployment->settings[i].path, second.deployment->settings[i].path);
      EXPECT_EQ(first.deployment->settings[i].value, second.deployment->settings[i].value);
    }
  }
}

}  // namespace
}  // namespace weir::config
