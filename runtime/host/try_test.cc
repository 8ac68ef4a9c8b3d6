#include "host/try.h"

#include <unistd.h>

#include <fstream>
#include <string>
#include <utility>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "hello/v1/hello.pb.h"

#include "testing/sim_lane.h"

namespace weir {
namespace {

using hello::v1::Greeting;
using hello::v1::Name;

class Greeter final : public Stage {
 public:
  DedupKey dedup_key(const Record& record) const override {
    return DedupKey::of(record.message<Name>().id());
  }

  void process(const Record& record, Out& out) override {
    const std::string& name = record.message<Name>().name();
    if (name == "nobody") {
      out.drop("nobody");
      return;
    }
    Greeting greeting;
    greeting.set_text(name == "big" ? std::string(std::size_t{2} << 20, 'x') : name);
    out.emit("greetings", greeting);
    if (name == "twice") {
      out.emit("greetings", greeting);
    }
  }
};

class Try : public testing::Test {
 protected:
  // `input`: what the YAML says of the input besides its dedup.
  Status run(const std::string& lines, bool json, const std::string& input = "topic: raw") {
    const StageSpec spec = StageSpec::of<Greeter>("greeter", "Greets.")
                               .input<Name>("names", "Names.")
                               .output<Greeting>("greetings", "Greetings.");
    const Result<SimDeployment> deployment =
        SimDeployment::load({spec, "inputs: {names: {" + input +
                                       ", dedup: {window: 1s}}}\n"
                                       "outputs: {greetings: {dataset: greetings}}"});
    EXPECT_TRUE(deployment.is_ok()) << deployment.status().message();
    const std::string file =
        testing::TempDir() + "weir_try_" + std::to_string(::getpid()) + ".jsonl";
    std::ofstream(file, std::ios::binary) << lines;
    testing::internal::CaptureStdout();
    testing::internal::CaptureStderr();
    Status done = try_stage(deployment.value().deployment, spec, {file, "", json});
    out_ = testing::internal::GetCapturedStdout();
    err_ = testing::internal::GetCapturedStderr();
    return done;
  }

  std::string out_;
  std::string err_;
};

constexpr const char* kLines =
    "{\"id\": \"1\", \"name\": \"Ada\"}\n"
    "nonsense\n"
    "{\"id\": \"1\"}\n"
    "{\"id\": \"2\", \"name\": \"nobody\"}\n"
    "{\"id\": \"3\", \"name\": \"twice\"}\n"
    "{\"id\": \"4\", \"name\": \"big\"}\n"
    "{\"id\": \"5\", \"name\": \"no end of line\"}";

TEST_F(Try, SaysOfEachLineWhatCameOfItAndSumsUp) {
  EXPECT_TRUE(run(kLines, false).is_ok());
  EXPECT_EQ(err_, "");
  EXPECT_EQ(
      out_,
      "     1  greetings: {\"text\":\"Ada\"}\n"
      "     2  dead letter: invalid_json: expected JSON at byte 0, found `nonsense`\n"
      "     3  duplicate\n"
      "     4  dropped: nobody\n"
      "     5  greetings: {\"text\":\"twice\"}\n"
      "     5  greetings: {\"text\":\"twice\"}\n"
      "     6  dead letter: output_too_large: the value has 2097157 bytes; greetings.v1 takes "
      "1048576, counted here before compression (a broker counts after it, and "
      "max.message.bytes of the topic is the limit)\n"
      "     7  greetings: {\"text\":\"no end of line\"}\n"
      "in 7  greetings 4  duplicates 1  dropped 1 (nobody 1)"
      "  dead letters 2 (invalid_json 1, output_too_large 1)\n");
}

TEST_F(Try, AsJsonOnlyOutputsGoToStandardOutput) {
  EXPECT_TRUE(run("{\"id\": \"1\", \"name\": \"Ada\"}\n{\"id\": \"1\"}\n", true).is_ok());
  EXPECT_EQ(out_, "{\"text\":\"Ada\"}\n");
  EXPECT_EQ(err_,
            "     2  duplicate\n"
            "in 2  greetings 1  duplicates 1  dropped 0  dead letters 0\n");
}

TEST_F(Try, ReadsTheJsonOfAProtobufInputAndRefusesALineThatIsNot) {
  const Status done = run("{\"id\": \"1\", \"name\": \"Ada\", \"more\": 1}\n{\"id\": 1}\n", true,
                          "dataset: names, version: 1");
  EXPECT_EQ(out_, "{\"text\":\"Ada\"}\n");
  EXPECT_THAT(err_, testing::HasSubstr("     1  unknown field more, ignored here and below\n"));
  EXPECT_THAT(err_, testing::HasSubstr("     2  no hello.v1.Name: type_mismatch: "));
  ASSERT_FALSE(done.is_ok());
  EXPECT_EQ(done.exit_code(), ExitCode::bad_input);
}

TEST_F(Try, AnEmptyFileIsNoRecordsAndAHugeLineIsADeadLetter) {
  EXPECT_TRUE(run("", false).is_ok());
  EXPECT_EQ(out_, "in 0  greetings 0  duplicates 0  dropped 0  dead letters 0\n");
  EXPECT_TRUE(run(std::string(std::size_t{70} << 20, 'x'), false).is_ok());
  EXPECT_THAT(out_, testing::HasSubstr("dead letter: too_large: "));
}

TEST_F(Try, AFileThatIsNotThereIsBadInput) {
  const Result<SimDeployment> deployment = SimDeployment::load(
      {StageSpec::of<Greeter>("greeter", "").input<Name>("names", "").output<Greeting>("g", ""),
       "inputs: {names: {topic: raw, dedup: off}}\noutputs: {g: {dataset: g}}"});
  ASSERT_TRUE(deployment.is_ok()) << deployment.status().message();
  for (const auto& [file, why] :
       {std::pair<std::string, std::string>{"/nowhere", "No such file or directory"},
        {"/", "Is a directory"}}) {
    const Status done =
        try_stage(deployment.value().deployment, deployment.value().spec, {file, "", false});
    ASSERT_FALSE(done.is_ok());
    EXPECT_EQ(done.exit_code(), ExitCode::bad_input);
    EXPECT_EQ(done.message(), file + " can't be read: " + why);
  }
}

TEST_F(Try, CompressedBytesAreNoLines) {
  const Status done = run("\x1f\x8b\x08", false);
  ASSERT_FALSE(done.is_ok());
  EXPECT_EQ(done.exit_code(), ExitCode::bad_input);
  EXPECT_THAT(done.message(), testing::HasSubstr("gzip -dc"));
}

TEST_F(Try, OfSeveralInputsOneIsSaid) {
  const Result<SimDeployment> deployment =
      SimDeployment::load({StageSpec::of<Greeter>("greeter", "")
                               .input("bytes", "")
                               .input<Name>("names", "")
                               .output<Greeting>("greetings", ""),
                           "inputs:\n"
                           "  bytes: {topic: raw.bytes, format: bytes, dedup: off}\n"
                           "  names: {topic: raw.names, dedup: off}\n"
                           "outputs: {greetings: {dataset: greetings}}"});
  ASSERT_TRUE(deployment.is_ok()) << deployment.status().message();
  const std::string file = testing::TempDir() + "weir_try_input.jsonl";
  std::ofstream(file) << "{\"id\": \"1\", \"name\": \"Ada\"}\n";
  const auto tried = [&](const std::string& input) {
    return try_stage(deployment.value().deployment, deployment.value().spec, {file, input, false});
  };
  EXPECT_EQ(tried("").exit_code(), ExitCode::usage);
  EXPECT_THAT(tried("").message(), testing::HasSubstr("say --input bytes or names"));
  EXPECT_EQ(tried("nams").exit_code(), ExitCode::usage);
  EXPECT_THAT(tried("nams").message(), testing::HasSubstr("did you mean \"names\"?"));
  testing::internal::CaptureStdout();
  EXPECT_TRUE(tried("names").is_ok());
  EXPECT_THAT(testing::internal::GetCapturedStdout(),
              testing::HasSubstr("greetings: {\"text\":\"Ada\"}"));
}

}  // namespace
}  // namespace weir
