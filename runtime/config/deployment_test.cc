#include "config/deployment.h"

#include <chrono>
#include <filesystem>
#include <fstream>
#include <string>

#include <gtest/gtest.h>

#include "config/test_stages.h"

namespace weir::config {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;

Deployment load_ok(const std::string& text, const StageSpec* spec = nullptr) {
  LoadOptions options;
  options.spec = spec;
  Loaded loaded = load_text(text, "config/x.yaml", options);
  EXPECT_TRUE(loaded.status().is_ok()) << loaded.status().message();
  return loaded.deployment.value_or(Deployment{});
}

constexpr const char* kSmallest =
    "stage: ingest\n"
    "inputs: {events: {topic: raw.x, dedup: off}}\n"
    "outputs: {events: {dataset: x}}\n";

TEST(Names, AllHangOnDeploymentAndVersion) {
  Deployment deployment;
  deployment.id = "ingest-comments";
  deployment.version = 3;
  deployment.instance = "7";
  deployment.state = "state";
  EXPECT_EQ(topic_of("comments", 2), "comments.v2");
  EXPECT_EQ(dataset_of("a.v1.comments.v2"), "a.v1.comments");
  for (const char* none :
       {"comments", "comments.v", "comments.v0", "comments.v02", "comments.v2a"}) {
    EXPECT_EQ(dataset_of(none), "") << none;
  }
  EXPECT_EQ(dead_letters_topic("spam", 1), "spam.dead_letters.v1");
  EXPECT_EQ(deployment.group(), "ingest-comments.v3");
  EXPECT_EQ(deployment.transactional_id(2), "ingest-comments.v3.7.2");
  EXPECT_EQ(deployment.state_directory(), "state/ingest-comments/v3/7");
  EXPECT_EQ(deployment.dead_letters(), "ingest-comments.dead_letters.v3");
}

TEST(Names, AreLowerCaseWordsThatLeaveRoomForTheTopic) {
  for (const char* good :
       {"a", "comments", "comments.classified", "ingest-comments", "a1_b.c2-d"}) {
    EXPECT_TRUE(is_name(good)) << good;
  }
  for (const char* bad : {"", "A", "1a", "_a", "a.", ".a", "a..b", "a-.b", "a b", "ä", "a/b"}) {
    EXPECT_FALSE(is_name(bad)) << bad;
  }
  const std::string longest(200, 'a');
  EXPECT_TRUE(is_name(longest));
  EXPECT_FALSE(is_name(longest + "a"));
  EXPECT_LE(dead_letters_topic(longest, 999'999).size(), 249U);
}

TEST(Deployment, WhatIsNotWrittenHasItsDefault) {
  const Deployment d = load_ok(kSmallest);
  EXPECT_EQ(d.id, "ingest");
  EXPECT_EQ(d.version, 1);
  EXPECT_EQ(d.lanes, 1);
  EXPECT_EQ(d.turn.interval_max, milliseconds(100));
  EXPECT_EQ(d.turn.records_max, 50'000U);
  EXPECT_EQ(d.turn.bytes_max, std::size_t{64} << 20);
  EXPECT_EQ(d.state, "state");
  EXPECT_EQ(d.http->host, "127.0.0.1");
  EXPECT_EQ(d.http->port, 0);
  EXPECT_EQ(d.log_level, LogLevel::info);
  EXPECT_EQ(d.instance, "0");
  EXPECT_EQ(d.import_roots, std::vector<std::string>{"proto"});
  ASSERT_EQ(d.kafka.size(), 1U);
  EXPECT_EQ(d.kafka[0].value, "127.0.0.1:9092");
  const Input& input = d.inputs.at(0);
  EXPECT_EQ(input.name, "events");
  EXPECT_EQ(input.topic, "raw.x");
  EXPECT_EQ(input.version, 0);
  EXPECT_EQ(input.format, Format::json);
  EXPECT_EQ(input.unknown_fields, UnknownFields::count);
  EXPECT_EQ(input.value_bytes_max, std::size_t{10} << 20);
  EXPECT_EQ(input.depth_max, 64);
  EXPECT_EQ(input.start.at, StartAt::earliest);
  EXPECT_FALSE(input.dedup);
  EXPECT_FALSE(input.event_time);
  EXPECT_EQ(d.outputs.at(0).topic, "x.v1");
}

TEST(Deployment, WhatIsWrittenArrives) {
  const Deployment d = load_ok(
      "stage: ingest\n"
      "name: comments\n"
      "version: 4\n"
      "inputs:\n"
      "  events:\n"
      "    topic: raw.comments\n"
      "    message: comments.v1.Comment\n"
      "    event_time: {field: posted_at, from: date, format: zoneless, zone: \"-03:30\"}\n"
      "    rename: {class: label, who: author}\n"
      "    defaults: {video: none}\n"
      "    trim: [content]\n"
      "    unknown_fields: dead_letter\n"
      "    value_bytes_max: 64KiB\n"
      "    depth_max: 8\n"
      "    dedup: {key: [a, b], window: 7d, buckets: 6, on_missing_key: pass}\n"
      "    start: 2026-01-31T01:02:03.5+01:00\n"
      "outputs:\n"
      "  events: {dataset: comments}\n"
      "proto: [../proto, ../config]\n"
      "lanes: 3\n"
      "turn: {interval_max: 2s, records_max: 7, bytes_max: 1MiB}\n"
      "state: /var/lib/weir\n"
      "http: {listen: \"[::1]:9464\"}\n"
      "kafka: {bootstrap.servers: \"b:1\", client.id: me}\n"
      "log: {level: debug}\n"
      "instance: pod-3\n");
  EXPECT_EQ(d.id, "ingest-comments");
  EXPECT_EQ(d.group(), "ingest-comments.v4");
  const Input& input = d.inputs.at(0);
  EXPECT_EQ(input.event_time->zone, -(hours(3) + minutes(30)));
  EXPECT_EQ(input.event_time->format, TimeFormat::zoneless);
  EXPECT_EQ(input.rename, (TextPairs{{"class", "label"}, {"who", "author"}}));
  EXPECT_EQ(input.defaults, (TextPairs{{"video", "none"}}));
  EXPECT_EQ(input.trim, std::vector<std::string>{"content"});
  EXPECT_EQ(input.unknown_fields, UnknownFields::dead_letter);
  EXPECT_EQ(input.value_bytes_max, 65536U);
  EXPECT_EQ(input.depth_max, 8);
  EXPECT_EQ(input.dedup->key, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(input.dedup->window, hours(24 * 7));
  EXPECT_EQ(input.dedup->buckets, 6);
  EXPECT_EQ(input.dedup->on_missing_key, MissingKey::pass);
  EXPECT_EQ(input.start.at, StartAt::time);
  EXPECT_EQ(input.start.time, Timestamp(1769817723500));
  EXPECT_EQ(d.outputs.at(0).topic, "comments.v4");
  EXPECT_EQ(d.import_roots, (std::vector<std::string>{"proto", "config"}));
  EXPECT_EQ(d.lanes, 3);
  EXPECT_EQ(d.turn.interval_max, milliseconds(2000));
  EXPECT_EQ(d.http->host, "::1");
  EXPECT_EQ(d.http->port, 9464);
  EXPECT_EQ(d.kafka.at(1).name, "client.id");
  EXPECT_EQ(d.kafka.at(1).value, "me");
  EXPECT_EQ(d.log_level, LogLevel::debug);
  EXPECT_EQ(d.state_directory(), "/var/lib/weir/ingest-comments/v4/pod-3");
}

TEST(Deployment, ADatasetIsProtobufOfItsVersion) {
  const Deployment d =
      load_ok("stage: x\ninputs: {a: {dataset: comments, version: 7, dedup: off}}\n");
  EXPECT_EQ(d.inputs.at(0).format, Format::protobuf);
  EXPECT_EQ(d.inputs.at(0).topic, "comments.v7");
  EXPECT_EQ(d.inputs.at(0).version, 7);
}

TEST(Deployment, OffTurnsOff) {
  EXPECT_FALSE(load_ok(std::string(kSmallest) + "http: off\n").http);
}

TEST(Deployment, OptionsOfTheStageAreSet) {
  const StageSpec spec = testing::spam_spec();
  const Deployment d = load_ok(
      "stage: spam\n"
      "inputs: {comments: {dataset: comments, version: 1, dedup: {window: 1h}}}\n"
      "outputs: {classified: {dataset: comments.classified}}\n"
      "options: {model: 012, threshold: 0.25, is_strict: true}\n",
      &spec);
  const auto& options = *static_cast<const testing::Spam::Options*>(d.options.get());
  EXPECT_EQ(options.model, "012");
  EXPECT_EQ(options.threshold, 0.25);
  EXPECT_TRUE(options.is_strict);
  EXPECT_EQ(options.batch_records_max, 2000);
  EXPECT_TRUE(d.inputs.at(0).dedup->key.empty()) << "the code has the key";
}

TEST(Deployment, PortsAreInTheOrderOfTheSpec) {
  StageSpec spec = StageSpec::of<testing::Ingest>("merge", "");
  spec.input("first", "").input("second", "").output("out", "");
  const Deployment d = load_ok(
      "stage: merge\n"
      "inputs: {second: {topic: b, dedup: off}, first: {topic: a, dedup: off}}\n"
      "outputs: {out: {dataset: c}}\n",
      &spec);
  EXPECT_EQ(d.inputs.at(0).name, "first");
  EXPECT_EQ(d.inputs.at(1).name, "second");
}

TEST(Deployment, TheShippedFilesAreRight) {
  int files = 0;
  for (const auto& entry : std::filesystem::directory_iterator("config")) {
    if (entry.path().extension() == ".yaml") {
      const Loaded loaded = load(entry.path().string(), {});
      ASSERT_TRUE(loaded.deployment) << loaded.status().message();
      ++files;
    }
  }
  EXPECT_GE(files, 5);
}

TEST(Deployment, ACopiedFileWhoseNameWasNotChangedIsRefused) {
  const std::string copy = ::testing::TempDir() + "ingest-copy.yaml";
  std::ofstream(copy) << kSmallest;
  const Loaded loaded = load(copy, {});
  std::filesystem::remove(copy);
  EXPECT_FALSE(loaded.deployment);
  EXPECT_EQ(loaded.status().exit_code(), ExitCode::config);
  EXPECT_EQ(
      loaded.status().message(),
      copy + ": the deployment is \"ingest\": name the file ingest.yaml, or change stage and name");
}

TEST(Deployment, ADescriptorSetTakesThePlaceOfProtoFolders) {
  const Deployment d = load_ok(std::string(kSmallest) + "descriptor_set: all.binpb\n");
  EXPECT_TRUE(d.import_roots.empty());
  EXPECT_EQ(d.descriptor_set, "config/all.binpb");
}

TEST(Loaded, SaysAllThatIsWrongInTheOrderOfTheFileAndExits78) {
  LoadOptions options;
  options.environment = {{"WEIR__LANE", "2"}};
  const Loaded loaded = load_text(
      "stage: x\nlog: {level: loud}\nlanes: 0\ninputs: {a: {topic: t}}\n", "f.yaml", options);
  EXPECT_FALSE(loaded.deployment);
  const Status status = loaded.status();
  ASSERT_FALSE(status.is_ok());
  EXPECT_EQ(status.exit_code(), ExitCode::config);
  EXPECT_EQ(status.message(),
            "f.yaml:2:14: log.level: \"loud\" is not debug, info, warning or error\n"
            "f.yaml:3:8: lanes: \"0\" is outside 1 … 256\n"
            "f.yaml:4:13: inputs.a.dedup is missing: say dedup: off, or for how long, e.g. dedup: "
            "{window: 24h}\n"
            "WEIR__LANE: is no setting; did you mean \"WEIR__LANES\"?");
}

TEST(Loaded, AnOptionThatIsNotOfItsTypeOrRangeIsWrong) {
  const StageSpec spec = testing::spam_spec();
  LoadOptions options;
  options.spec = &spec;
  const Loaded loaded = load_text(
      "stage: spam\n"
      "inputs: {comments: {dataset: comments, version: 1, dedup: {window: 1h}}}\n"
      "outputs: {classified: {dataset: comments.classified}}\n"
      "options: {threshold: 1.5, batch_records_max: 010, is_strict: no}\n",
      "spam.yaml", options);
  EXPECT_EQ(loaded.status().message(),
            "spam.yaml:4:22: options.threshold: 1.5 is outside 0 … 1\n"
            "spam.yaml:4:46: options.batch_records_max: \"010\" begins with a zero: octal or "
            "decimal?\n"
            "spam.yaml:4:62: options.is_strict: \"no\" is neither true nor false");
}

TEST(Loaded, AFloodOfProblemsIsCutShort) {
  std::string text = "stage: x\n";
  for (int i = 0; i < 2000; ++i) {
    text += "unknown_" + std::to_string(i) + ": 1\n";
  }
  const Loaded loaded = load_text(text, "f.yaml", {});
  EXPECT_EQ(loaded.problems.size(), 101U);
  EXPECT_EQ(to_string(loaded.problems.back()), "f.yaml: and 1900 more");
}

TEST(Loaded, StartIsAnRfc3339Time) {
  const auto start = [](const std::string& text) {
    return load_text("stage: x\ninputs: {a: {topic: t, dedup: off, start: \"" + text + "\"}}\n",
                     "f.yaml", {});
  };
  for (const auto& [text, expected] :
       {std::pair("1970-01-01T00:00:00Z", std::int64_t{0}),
        std::pair("2000-02-29T12:00:00.123456789012+01:30", std::int64_t{951820200123}),
        std::pair("1969-12-31T23:59:59Z", std::int64_t{-1000})}) {
    const Loaded loaded = start(text);
    ASSERT_TRUE(loaded.deployment) << text;
    EXPECT_EQ(loaded.deployment->inputs[0].start.time, Timestamp(expected)) << text;
  }
  for (const char* bad : {"2026-02-30T00:00:00Z", "2026-01-31T00:00:00", "2026-01-31T24:00:00Z",
                          "2026-01-31 00:00Z", "2026-01-31T00:00:00.Z", "2026-01-31T00:00:00UTC",
                          "2026-01-31T00:00:00z", "2026-01-31T00:00:00Z\\0", "1", "now"}) {
    EXPECT_FALSE(start(bad).deployment) << bad;
  }
}

TEST(Loaded, AnOutputsMessageIsWhatItsWriterSaysOrPassesOn) {
  const auto message = [](const std::string& text, const StageSpec* spec) {
    LoadOptions options;
    options.spec = spec;
    const Loaded loaded = load_text(text, "f.yaml", options);
    EXPECT_TRUE(loaded.deployment) << loaded.status().message();
    return loaded.deployment ? loaded.deployment->outputs[0].message : "";
  };
  const std::string ingest =
      "stage: ingest\nproto: [.]\noutputs: {events: {dataset: x}}\n"
      "inputs: {events: {topic: t, dedup: off, message: a.B}}\n";
  const StageSpec ingest_spec = testing::ingest_spec(), spam_spec = testing::spam_spec();
  EXPECT_EQ(message(ingest, nullptr), "a.B");
  EXPECT_EQ(message(ingest, &ingest_spec), "a.B");
  const std::string spam =
      "stage: spam\ninputs: {comments: {dataset: x, version: 1, dedup: off}}\n"
      "outputs: {classified: {dataset: y";
  EXPECT_EQ(message(spam + "}}", nullptr), "");
  EXPECT_EQ(message(spam + "}}", &spam_spec), "comments.v1.Comment");
  EXPECT_EQ(message(spam + ", message: a.B}}", nullptr), "a.B");
}

TEST(Loaded, WithItsSpecADeploymentKnowsTheFieldThatItAnnotates) {
  const StageSpec spec = testing::spam_spec();
  LoadOptions options;
  options.spec = &spec;
  const std::string text =
      "stage: spam\ninputs: {comments: {dataset: x, version: 1, dedup: off}}\n"
      "outputs: {classified: {dataset: y}}\n";
  EXPECT_EQ(load_text(text, "f.yaml", options).deployment->outputs[0].annotates,
            "comments.v1.Comment.spam");
  EXPECT_EQ(load_text(text, "f.yaml", {}).deployment->outputs[0].annotates, "");
}

TEST(Loaded, AFileOfAnotherStageIsReadWithoutTheSpecWhereItMayBe) {
  const StageSpec spec = testing::spam_spec();
  LoadOptions options;
  options.spec = &spec;
  options.takes_other_stages = true;
  const std::string other = "inputs: {any: {topic: t, dedup: off}}\noutputs: {any: {dataset: x}}\n";
  EXPECT_TRUE(load_text("stage: other\n" + other, "f.yaml", options).deployment);
  EXPECT_FALSE(load_text("stage: spam\n" + other, "f.yaml", options).deployment);
  EXPECT_FALSE(load_text(other, "f.yaml", options).deployment);
  options.takes_other_stages = false;
  EXPECT_FALSE(load_text("stage: other\n" + other, "f.yaml", options).deployment);
}

}  // namespace
}  // namespace weir::config
