// That the drivers and the cases can fail, and say what they are for.
#include "testing/pipeline_driver.h"

#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <functional>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "hello/v1/hello.pb.h"

#include "testing/cases.h"
#include "testing/stage_driver.h"

namespace weir {
namespace {

using hello::v1::Name;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;

// Passes names on; does what its options say that a stage must not do, or may.
class Echo final : public Stage {
 public:
  struct Options {
    bool counts = false;
    bool drops_even = false;
  };

  explicit Echo(const Options& options) : options_(options) {}

  DedupKey dedup_key(const Record& record) const override {
    return DedupKey::of(record.message<Name>().id());
  }

  void process(const Record& record, Out& out) override { make(record, 1, out); }

  void process_batch(std::span<const Record> records, Out& out) override {
    for (const Record& record : records) {
      out.at(record);
      make(record, records.size(), out);
    }
  }

 private:
  void make(const Record& record, std::size_t batch, Out& out) const {
    if (options_.drops_even && record.message<Name>().id().size() % 2 == 0) {
      out.drop("even");
      return;
    }
    Name name = record.message<Name>();
    if (options_.counts) {
      name.set_name(std::to_string(batch));
    }
    out.emit("names", name);
  }

  const Options options_;
};

StageSpec echo_spec() {
  using O = Echo::Options;
  return StageSpec::of<Echo>("echo", "Passes names on.")
      .input<Name>("in", "Names.")
      .output<Name>("names", "The same.")
      .option("counts", &O::counts, "Tells the size of its batch.")
      .option("drops_even", &O::drops_even, "Drops ids of even length.");
}

std::string config(const std::string& name, const std::string& input, const std::string& output,
                   const std::string& options = "{}") {
  return "name: " + name + "\ninputs: {in: {" + input +
         ", dedup: {window: 1h}}}\noutputs: {names: {dataset: " + output +
         "}}\noptions: " + options + "\n";
}

Name name(const std::string& id) {
  Name made;
  made.set_id(id);
  return made;
}

// What it throws; empty: nothing.
std::string failure_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const TestFailure& failure) {
    return failure.what();
  }
  return "";
}

TEST(PipelineDriver, ChainsStagesByTheirTopicsThroughRestartsCrashesAndLostDisks) {
  PipelineDriver driver({{echo_spec(), config("b", "dataset: one, version: 1", "two")},
                         {echo_spec(), config("a", "topic: raw", "one")}},
                        2);
  driver.pipe("raw", name("a"), {.key = "k", .partition = Partition(1)});
  driver.restart();
  driver.pipe("raw", name("a"), {.partition = Partition(1)});
  driver.pipe("raw", name("b"));
  driver.crash();
  driver.pipe("raw", name("c"));
  driver.lose_disk();
  driver.pipe("raw", name("c"));
  EXPECT_THAT(driver.read_all<Name>("two"), SizeIs(3));
  EXPECT_THAT(driver.read_json("one.v1"),
              ElementsAre(R"({"id":"b"})", R"({"id":"c"})", R"({"id":"a"})"));
  EXPECT_EQ(driver.read_records("two").back().key, "k");
  EXPECT_EQ(driver.counts("echo-a").turns.duplicates, 2U);
  EXPECT_EQ(driver.counts("echo-b").turns.records_in, 3U);
  EXPECT_THAT(failure_of([&] { driver.read_records("names"); }),
              HasSubstr("names is the name of 2 outputs here; there are names (one.v1)"));
}

TEST(StageDriver, AStageThatDependsOnItsBatchIsFoundOut) {
  StageDriver driver(echo_spec(), config("x", "topic: raw", "one", "{counts: true}"));
  for (int i = 0; i < 10; ++i) {
    driver.pipe("in", name("id " + std::to_string(i)));
  }
  const std::string failure = failure_of([&] { driver.run(); });
  EXPECT_THAT(failure, HasSubstr("is no function of its records"));
  EXPECT_THAT(failure, HasSubstr(R"({"id":"id 0","name":"10"})"));
  EXPECT_THAT(failure, HasSubstr(R"({"id":"id 0","name":"3"})"));
}

TEST(StageDriver, DropsAreCountedByReasonAndDeadLettersSayWhy) {
  StageDriver driver(echo_spec(), config("x", "topic: raw", "one", "{drops_even: true}"));
  driver.pipe("in", name("ab"));
  driver.pipe("in", "nonsense");
  EXPECT_THAT(driver.counts().dropped, ElementsAre(std::pair("even", 1U)));
  const std::vector<DeadLettered> letters = driver.dead_letters();
  ASSERT_THAT(letters, SizeIs(1));
  EXPECT_EQ(letters[0].reason, "invalid_json");
  EXPECT_EQ(letters[0].record.value, "nonsense");
}

TEST(StageDriver, AWrongNameOrPartitionOrConfigurationIsAFailure) {
  StageDriver driver(echo_spec(), config("x", "topic: raw", "one"));
  EXPECT_THAT(failure_of([&] { driver.pipe("inn", "x"); }),
              HasSubstr("inn is no input here; there is in (raw)"));
  EXPECT_THAT(failure_of([&] { driver.pipe("in", {.partition = Partition(1)}); }),
              HasSubstr("there is no partition 1"));
  EXPECT_THAT(failure_of([&] { driver.counts("other"); }), HasSubstr("other"));
  EXPECT_THAT(failure_of([] { StageDriver wrong(echo_spec(), "inputs: {}"); }), HasSubstr("1:9"));
}

class Cases : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = testing::TempDir() + "weir_cases_" + std::to_string(::getpid());
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directories(folder_ + "/config");
    std::ofstream(folder_ + "/echo-x.yaml")
        << "proto: [/]\nstage: echo\n"
        << config("x", "topic: raw", "one", "{drops_even: true}");
  }

  std::string failure(const std::string& text) {
    std::ofstream(folder_ + "/config/case.yaml") << text;
    return failure_of(
        [&] { run_cases(echo_spec(), folder_ + "/echo-x.yaml", folder_ + "/config"); });
  }

  std::string folder_;
};

TEST_F(Cases, ACaseThatHoldsIsSilent) {
  EXPECT_EQ(failure("input: [{json: {id: a}}, {json: {id: a}}, {json: {id: \"22\"}}, {}]\n"
                    "expect: {outputs: {names: [{id: a}]}, duplicates: 1, dropped: {even: 1},\n"
                    "         dead_letters: [{reason: tombstone}]}\n"),
            "");
}

TEST_F(Cases, EachDifferenceHasItsPlace) {
  const std::string said = failure(
      "name: wrong\n"
      "input: [{json: {id: a}}, {json: {id: ab}}, {}]\n"
      "expect:\n"
      "  outputs: {names: [{id: b}, {id: c}]}\n"
      "  dead_letters: [{reason: empty}]\n"
      "  duplicates: 3\n"
      "  dropped: {odd: 1}\n");
  EXPECT_THAT(said, HasSubstr("wrong:\n"));
  EXPECT_THAT(said, HasSubstr("case.yaml:4:21: names 0: expected\n    {\"id\":\"b\"}\n  got\n"
                              "    {\"id\":\"a\"}"));
  EXPECT_THAT(said, HasSubstr("case.yaml:4:30: names 1: expected"));
  EXPECT_THAT(said, HasSubstr("case.yaml:5:18: dead letter 0: expected empty, got tombstone"));
  EXPECT_THAT(said, HasSubstr("case.yaml:6:15: duplicates: expected 3, got 0"));
  EXPECT_THAT(said, HasSubstr("case.yaml:7:18: odd: expected 1, got 0"));
  EXPECT_THAT(said, HasSubstr("1 were dropped: even"));
}

TEST_F(Cases, AMistakeHasItsPlace) {
  EXPECT_THAT(failure("input: [{jsn: {}}]\nexpect: {duplicates: 0}\n"),
              HasSubstr("case.yaml:1:10: jsn is none of"));
  EXPECT_THAT(failure("input: [{value: a, base64: YQ==}]\nexpect: {duplicates: 0}\n"),
              HasSubstr("case.yaml:1:9: a record has one of"));
  EXPECT_THAT(failure("input: [{value: a}]\nexpect: {outputs: {nmes: []}}\n"),
              HasSubstr("echo has no output nmes"));
  EXPECT_THAT(failure("input: [{json: {id: a}}]\nexpect: {outputs: {names: [{idd: a}]}}\n"),
              HasSubstr("this is no hello.v1.Name"));
  EXPECT_THAT(failure("input: []\nexpect: {duplicates: 0}\n"), HasSubstr("neither of them empty"));
  EXPECT_THAT(failure("input: [{}]\nexpect: {}\n"),
              HasSubstr("case.yaml:2:9: nothing is expected, so nothing would be tested: say"));
  EXPECT_THAT(failure("input: [{key: {base64: '?'}}]\nexpect: {duplicates: 0}\n"),
              HasSubstr("case.yaml:1:15: this is no base64"));
  EXPECT_THAT(failure("input: [{headers: [{h: []}]}]\nexpect: {duplicates: 0}\n"),
              HasSubstr("h is text, or {base64: …}"));
  EXPECT_THAT(failure_of([&] { run_cases(echo_spec(), folder_ + "/echo-x.yaml", "/nowhere"); }),
              HasSubstr("/nowhere holds no case"));
}

}  // namespace
}  // namespace weir
