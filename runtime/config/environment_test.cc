// ${…} in values, WEIR__… in place of them, and that secrets stay secret.
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <string>

#include <gtest/gtest.h>

#include "config/document.h"
#include "config/field.h"
#include "config/test_stages.h"

namespace weir::config {
namespace {

// ---- ${…} ----

TEST(Resolve, VariablesAndDefaults) {
  const Environment environment{{"A", "x"}, {"EMPTY", ""}};
  const auto text = [&](const char* from) {
    const Resolved made = resolve(from, environment);
    return made.failure.empty() ? made.text : "! " + made.failure;
  };
  EXPECT_EQ(text("plain"), "plain");
  EXPECT_EQ(text("1${A}2${A}3"), "1x2x3");
  EXPECT_EQ(text("${A:-y}${B:-y}${EMPTY:-z}"), "xyz");
  EXPECT_EQ(text("[${EMPTY}]"), "[]");
  EXPECT_EQ(text("${B:-}"), "");
  EXPECT_EQ(text("$5 $A $${A} $"), "$5 $A ${A} $");
  EXPECT_EQ(text("${B}"), "! the environment doesn't set B (a default is written ${B:-default})");
  EXPECT_EQ(text("${EMPTY:?say who}"), "! the environment must set EMPTY: say who");
  EXPECT_EQ(text("${A"), "! a ${ without its }");
  for (const char* bad : {"${}", "${1A}", "${A-x}", "${A:x}", "${A B}", "${env:A}"}) {
    EXPECT_EQ(text(bad).find("! a ${…} that is none of"), 0U) << bad;
  }
}

TEST(Resolve, AValueIsNotResolvedAgain) {
  const Environment environment{{"A", "${B}"}, {"B", "x"}};
  EXPECT_EQ(resolve("${A}", environment).text, "${B}");
}

TEST(Resolve, AValueCannotChangeTheStructure) {
  LoadOptions options;
  options.environment = {{"X", "a\nlanes: 9\n#: {["}};
  const Loaded loaded =
      load_text("stage: x\nstate: ${X}\ninputs: {a: {topic: t, dedup: off}}\n", "f", options);
  ASSERT_TRUE(loaded.deployment);
  EXPECT_EQ(loaded.deployment->state, "a\nlanes: 9\n#: {[");
  EXPECT_EQ(loaded.deployment->lanes, 1);
}

class SecretFile : public ::testing::Test {
 protected:
  SecretFile() { std::ofstream(path_) << "hunter2-canary\n"; }

  ~SecretFile() override { std::filesystem::remove(path_); }

  const std::string path_ =
      (std::filesystem::temp_directory_path() / ("weir_secret_" + std::to_string(getpid())))
          .string();
};

TEST_F(SecretFile, IsReadWithoutItsLastNewline) {
  const Resolved made = resolve("${file:" + path_ + "}", {});
  EXPECT_EQ(made.text, "hunter2-canary");
  EXPECT_TRUE(made.is_secret);
  EXPECT_EQ(resolve("${file:relative}", {}).failure, "${file:relative} must name an absolute path");
  EXPECT_EQ(resolve("${file:/no/such}", {}).failure,
            "/no/such can't be read: No such file or directory");
}

TEST_F(SecretFile, HoldsAtMost64KiB) {
  std::ofstream(path_) << std::string(std::size_t{64} << 10, 'x');
  EXPECT_EQ(resolve("${file:" + path_ + "}", {}).failure, "");
  std::ofstream(path_) << std::string((std::size_t{64} << 10) + 1, 'x');
  EXPECT_EQ(resolve("${file:" + path_ + "}", {}).failure, path_ + " is not text of at most 64KiB");
}

// Puts the canary wherever a value may stand, right or wrong, and looks for it in all that is said.
TEST_F(SecretFile, IsNeverShown) {
  const StageSpec spec = testing::spam_spec();
  const std::string canary = "hunter2-canary";
  for (const std::string& value : {"${file:" + path_ + "}", "x${file:" + path_ + "}y"}) {
    for (const char* place :
         {"lanes: @\n", "turn: {interval_max: @}\n", "turn: {bytes_max: @}\n", "http: @\n",
          "http: {listen: @}\n", "state: @\n", "instance: @\n", "log: {level: @}\n",
          "options: {threshold: @}\n", "options: {is_strict: @}\n", "options: {model: @}\n",
          "options: {batch_records_max: @}\n", "kafka: {ssl.ca.pem: @}\n", "proto: [@]\n",
          "version: @\n", "name: @\n", "name: \"@!\"\n", "descriptor_set: @\n"}) {
      std::string text =
          "stage: spam\n"
          "inputs: {comments: {dataset: comments, version: 1, dedup: off}}\n"
          "outputs: {classified: {dataset: comments.classified}}\n";
      text += place;
      text.replace(text.find('@'), 1, "\"" + value + "\"");
      if (const auto doubled = text.find("\"\""); doubled != std::string::npos) {
        text.erase(doubled, 1);
      }
      LoadOptions options;
      options.spec = &spec;
      options.kafka_property = [](std::string_view, std::string_view refused) {
        return Status::stop(ExitCode::config, "no: " + std::string(refused));
      };
      Loaded loaded = load_text(text, "f", options);
      EXPECT_EQ(loaded.status().is_ok() ? 0 : loaded.status().message().find(canary) + 1, 0U)
          << loaded.status().message();
      options.kafka_property = nullptr;
      loaded = load_text(text, "f", options);
      if (loaded.deployment) {
        EXPECT_EQ(echo(*loaded.deployment).find(canary), std::string::npos) << text;
      }
    }
  }
}

TEST(Secrets, AreKnownByTheirKey) {
  for (const char* key : {"sasl.password", "SASL.username", "ssl.key.pem", "ssl.keystore.password",
                          "api_secret", "Password"}) {
    EXPECT_TRUE(is_secret_key(key)) << key;
  }
  for (const char* key : {"bootstrap.servers", "ssl.ca.location", "client.id", "topic"}) {
    EXPECT_FALSE(is_secret_key(key)) << key;
  }
}

TEST(Secrets, AreMaskedWhereverTheyAreWritten) {
  const StageSpec spec = testing::spam_spec();
  LoadOptions options;
  options.spec = &spec;
  options.environment = {{"WEIR__KAFKA__SASL_PASSWORD", "canary-1"}, {"DB_PASSWORD", "canary-2"}};
  const Loaded loaded = load_text(
      "stage: spam\n"
      "inputs: {comments: {dataset: comments, version: 1, dedup: off}}\n"
      "outputs: {classified: {dataset: comments.classified}}\n"
      "state: ${DB_PASSWORD}\n"
      "descriptor_set: ${UNSET_PASSWORD:-canary-5}\n"
      "options: {api_secret: canary-3}\n"
      "kafka: {ssl.key.pem: \"canary\\n4\"}\n",
      "f", options);
  ASSERT_TRUE(loaded.deployment) << loaded.status().message();
  EXPECT_EQ(loaded.deployment->descriptor_set, "canary-5");
  EXPECT_EQ(echo(*loaded.deployment).find("canary"), std::string::npos);
  const auto& properties = loaded.deployment->kafka;
  ASSERT_EQ(properties.size(), 3U);
  EXPECT_EQ(properties[1].value, "canary\n4");
  EXPECT_TRUE(properties[1].is_secret);
  EXPECT_EQ(properties[2].name, "sasl.password");
  EXPECT_EQ(properties[2].value, "canary-1");
  EXPECT_TRUE(properties[2].is_secret);
}

TEST(Secrets, ARefusalKeepsItsReasonWhereTheValueCanBeLeftOut) {
  EXPECT_EQ(masked("\"SCRAM-9\" is unknown", "SCRAM-9", true), "\"***\" is unknown");
  EXPECT_EQ(masked("\"SCRAM-9\" is unknown", "SCRAM-9", false), "\"SCRAM-9\" is unknown");
  const std::string nothing_shown = "this value is refused (it is secret and not shown)";
  EXPECT_EQ(masked("\"abc\" is unknown", "abc", true), nothing_shown);
  EXPECT_EQ(masked("\"abcd\\nefgh\" is unknown", "abcd\nefgh", true), nothing_shown);
  EXPECT_EQ(masked("abcd", "ABCD", true), nothing_shown);
}

// ---- WEIR__… ----

// A deployment's file as a tree of texts.
struct Tree {
  std::map<std::string, Tree> children;
  std::string value;

  Tree& at(const std::vector<std::string>& path) {
    Tree* tree = this;
    for (const std::string& key : path) {
      tree = &tree->children[key];
    }
    return *tree;
  }

  std::string text() const {
    if (children.empty()) {
      return value;
    }
    std::string made;
    for (const auto& [key, child] : children) {
      made += (made.empty() ? "" : ", ") + key + ": " + child.text();
    }
    return "{" + made + "}";
  }
};

using Path = std::vector<std::string>;

void collect_leaves(const Group& group, const Path& path,
                    std::vector<std::pair<Path, const Field*>>& leaves) {
  const auto visit = [&](const Field& field, const std::string& name) {
    Path inner = path;
    inner.push_back(name);
    if (field.type == FieldType::group) {
      collect_leaves(*field.group, inner, leaves);
    } else {
      leaves.emplace_back(inner, &field);
    }
  };
  for (const Field& field : group.fields) {
    visit(field, field.name);
  }
  if (group.any) {
    visit(*group.any, group.any->name == "NAME"       ? "events"
                      : group.any->name == "PROPERTY" ? "client.id"
                                                      : "my_field");
  }
}

// Two values that the field takes, as YAML.
std::pair<std::string, std::string> samples(const Field& field) {
  static const std::map<std::string, std::pair<std::string, std::string>> kByName = {
      {"topic", {"raw.a", "raw.b"}},
      {"message", {"comments.v1.Comment", "edits.v1.Edit"}},
      {"zone", {"UTC", "+02:00"}},
      {"start", {"latest", "2026-01-31T00:00:00Z"}},
      {"retention", {"30d", "forever"}},
      {"listen", {"0.0.0.0:1", "localhost:2"}},
      {"descriptor_set", {"../LICENSE", "../NOTICE"}},
      {"proto", {"[../proto]", "[../config, ../proto]"}},
      {"model", {"a.weights", "b.weights"}},
      {"threshold", {"0.25", "0.75"}},
      {"batch_records_max", {"7", "8"}},
      {"is_strict", {"true", "false"}}};
  if (const auto found = kByName.find(field.name); found != kByName.end()) {
    return found->second;
  }
  if (!field.choices.empty()) {
    return {field.choices.back(), field.choices.front()};
  }
  switch (field.type) {
    case FieldType::boolean:
      return {"true", "false"};
    case FieldType::integer:
      return {"2", "3"};
    case FieldType::duration:
      return {"2s", "3s"};
    case FieldType::size:
      return {"2KiB", "3KiB"};
    case FieldType::list:
      return {"[a, b]", "[c]"};
    default:
      return {"first", "second"};
  }
}

// The smallest file in which the field at `path` may stand.
Tree surroundings(const Path& path) {
  const bool is_spam = path[0] == "options";
  Tree tree;
  tree.at({"stage"}).value = is_spam ? "spam" : "ingest";
  const std::string port = is_spam ? "comments" : "events";
  Tree& input = tree.at({"inputs", port});
  const std::string& name = path.back();
  if (name == "dataset" || (name == "version" && path.size() > 1)) {
    input.children["dataset"].value = "comments";
    input.children["version"].value = "1";
    input.children["format"].value = "json";
  } else {
    input.children["topic"].value = "raw.x";
  }
  if (path.size() > 2 && path[2] != "format") {
    input.children["message"].value = "comments.v1.Comment";
  }
  if (path.size() > 3 && path[2] == "event_time") {
    tree.at({"inputs", port, "event_time", "field"}).value = "a";
    tree.at({"inputs", port, "event_time", "from"}).value = "b";
    if (name == "zone" || name == "format") {
      tree.at({"inputs", port, "event_time", "format"}).value = "zoneless";
      tree.at({"inputs", port, "event_time", "zone"}).value = "UTC";
    }
  }
  if (path.size() > 3 && path[2] == "dedup") {
    tree.at({"inputs", port, "dedup", "window"}).value = "24h";
  } else {
    input.children["dedup"].value = "off";
  }
  tree.at({"outputs", is_spam ? "classified" : "events", "dataset"}).value = "out";
  return tree;
}

std::string variable_for(const Path& path) {
  std::string made = "WEIR_";
  for (const std::string& key : path) {
    made += "__" + key;
  }
  for (char& c : made) {
    c = c == '.' ? '_' : static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  }
  made.replace(0, 6, "WEIR_");
  return made;
}

const Setting* setting_of(const Deployment& deployment, const Path& path) {
  for (const Setting& setting : deployment.settings) {
    if (setting.path == path) {
      return &setting;
    }
  }
  return nullptr;
}

TEST(Override, ForEachFieldTheEnvironmentBeatsTheFileBeatsTheDefault) {
  const StageSpec spam = testing::spam_spec();
  const Group any_fields = fields_of(nullptr), spam_fields = fields_of(&spam);
  std::vector<std::pair<Path, const Field*>> leaves, spam_leaves;
  collect_leaves(any_fields, {}, leaves);
  collect_leaves(spam_fields, {}, spam_leaves);
  std::erase_if(leaves, [](const auto& leaf) { return leaf.first[0] == "options"; });
  std::erase_if(spam_leaves, [](const auto& leaf) {
    return leaf.first[0] != "options" || leaf.second->name == "api_secret";
  });
  leaves.insert(leaves.end(), spam_leaves.begin(), spam_leaves.end());
  ASSERT_GE(leaves.size(), 40U);
  for (const auto& [path, field] : leaves) {
    const std::string name = dotted(path);
    const auto [in_file, in_environment] = samples(*field);
    LoadOptions options;
    options.spec = path[0] == "options" ? &spam : nullptr;
    Tree tree = surroundings(path);
    // Zone and event format, and proto and descriptor_set, constrain each other.
    const bool needs_both = name == "inputs.events.event_time.format";

    tree.at(path).value = in_file;
    Loaded loaded = load_text(tree.text(), "config/f.yaml", options);
    ASSERT_TRUE(loaded.deployment) << name << "\n" << tree.text() << loaded.status().message();
    const Setting* setting = setting_of(*loaded.deployment, path);
    ASSERT_NE(setting, nullptr) << name;
    EXPECT_EQ(setting->value, in_file) << name;
    EXPECT_EQ(setting->place.source, "config/f.yaml") << name;

    if (needs_both) {
      tree.at({"inputs", "events", "event_time"}).children.erase("zone");
    }
    const std::string variable = variable_for(path);
    options.environment = {{variable, in_environment}};
    loaded = load_text(tree.text(), "config/f.yaml", options);
    ASSERT_TRUE(loaded.deployment) << name << "\n" << tree.text() << loaded.status().message();
    setting = setting_of(*loaded.deployment, path);
    ASSERT_NE(setting, nullptr) << name;
    EXPECT_EQ(setting->value, in_environment) << name;
    EXPECT_EQ(to_string(setting->place), variable) << name;

    if (field->fallback) {
      options.environment.clear();
      Tree without = surroundings(path);
      Tree& parent = without.at(Path(path.begin(), path.end() - 1));
      parent.children.erase(path.back());
      if (needs_both) {
        parent.children.erase("zone");
      }
      if (parent.children.empty() && path.size() > 1) {
        without.children.erase(path[0]);
      }
      loaded = load_text(without.text(), "config/f.yaml", options);
      ASSERT_TRUE(loaded.deployment) << name << "\n" << without.text() << loaded.status().message();
      setting = setting_of(*loaded.deployment, path);
      ASSERT_NE(setting, nullptr) << name;
      EXPECT_EQ(setting->value, as_yaml(*field->fallback)) << name;
      EXPECT_EQ(setting->place.source, "default") << name;
    }
  }
}

std::string said_with(const Environment& environment, const std::string& more = "") {
  LoadOptions options;
  options.environment = environment;
  const Loaded loaded = load_text(
      "stage: x\ninputs: {events: {topic: t, dedup: off}}\noutputs: {out: {dataset: d}}\n" + more,
      "f", options);
  return loaded.status().is_ok() ? "" : loaded.status().message();
}

TEST(Override, CaseDoesNotMatter) {
  EXPECT_EQ(said_with({{"WEIR__inputs__Events__TOPIC", "a"}, {"WEIR__lanes", "2"}}), "");
}

TEST(Override, OtherVariablesAreNotOurs) {
  EXPECT_EQ(said_with({{"WEIR_BOOTSTRAP", "x"}, {"WEIR", "x"}, {"XWEIR__LANES", "x"}}), "");
}

TEST(Override, AVariableThatSetsNothingIsAnError) {
  EXPECT_EQ(said_with({{"WEIR__INPUTS__EVENTS__TOPC", "x"}}),
            "WEIR__INPUTS__EVENTS__TOPC: is no setting; did you mean "
            "\"WEIR__INPUTS__EVENTS__TOPIC\"?");
  EXPECT_EQ(said_with({{"WEIR__LANES__MAX", "x"}}),
            "WEIR__LANES__MAX: is no setting; there is WEIR__LANES");
  EXPECT_EQ(said_with({{"WEIR__LOG", "debug"}}),
            "WEIR__LOG: names a group; there is WEIR__LOG__LEVEL");
  EXPECT_EQ(said_with({{"WEIR__lanes", "2"}, {"WEIR__LANES", "2"}}),
            "WEIR__lanes: sets the same as WEIR__LANES");
  EXPECT_EQ(said_with({{"WEIR__", "2"}}).substr(0, 21), "WEIR__: is no setting");
}

TEST(Override, AWrongValueIsReportedAtItsVariable) {
  EXPECT_EQ(said_with({{"WEIR__LANES", "0"}}), "WEIR__LANES: lanes: \"0\" is outside 1 … 256");
}

TEST(Override, WhatIsOffInTheFileCanBeSwitchedOnAndBack) {
  EXPECT_EQ(said_with({{"WEIR__INPUTS__EVENTS__DEDUP__WINDOW", "1h"}}), "");
  EXPECT_EQ(said_with({{"WEIR__HTTP", "off"}}, "http: {listen: \"x:1\"}\n"), "");
  EXPECT_EQ(said_with({{"WEIR__HTTP", "off"}, {"WEIR__HTTP__LISTEN", "x:1"}}),
            "WEIR__HTTP__LISTEN: contradicts WEIR__HTTP=off");
}

TEST(Override, AKafkaPropertyThatIsWrittenKeepsItsSpelling) {
  LoadOptions options;
  options.environment = {{"WEIR__KAFKA__QUEUED_MIN_MESSAGES", "5"},
                         {"WEIR__KAFKA__BOOTSTRAP_SERVERS", "b:1"}};
  const Loaded loaded =
      load_text("stage: x\ninputs: {a: {topic: t, dedup: off}}\nkafka: {queued.min.messages: 4}\n",
                "f", options);
  ASSERT_TRUE(loaded.deployment);
  ASSERT_EQ(loaded.deployment->kafka.size(), 2U);
  EXPECT_EQ(loaded.deployment->kafka[0].value, "b:1");
  EXPECT_EQ(loaded.deployment->kafka[1].name, "queued.min.messages");
  EXPECT_EQ(loaded.deployment->kafka[1].value, "5");
}

}  // namespace
}  // namespace weir::config
