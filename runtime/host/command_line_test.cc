#include "host/command_line.h"

#include <string>
#include <vector>

#include <CLI/CLI.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace weir {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

struct Outcome {
  int code = 0;
  std::string said;
};

Outcome run(std::vector<std::string> words) {
  CLI::App app("", "tool");
  app.require_subcommand(1);
  Status done;
  bool is_said = false;
  std::string file;
  CLI::App* check = app.add_subcommand("check");
  check->add_option("FILE", file)->required();
  check->callback([&] {
    if (file == "throws") {
      throw std::runtime_error("a bug");
    }
    is_said = file == "logged";
    done = is_said          ? Status::stop(ExitCode::disk, "full")
           : file == "bad"  ? Status::stop(ExitCode::config, "bad: wrong")
           : file == "busy" ? Status::retry("busy")
                            : Status::ok();
  });
  CLI::App* topics = app.add_subcommand("topics");
  topics->require_subcommand(1);
  topics->add_subcommand("apply");
  words.insert(words.begin(), "tool");
  std::vector<char*> raw;
  for (std::string& word : words) {
    raw.push_back(word.data());
  }
  testing::internal::CaptureStderr();
  const int code = run_command_line(app, static_cast<int>(raw.size()), raw.data(), done, is_said);
  return {code, testing::internal::GetCapturedStderr()};
}

TEST(CommandLine, TheOutcomeOfACommandIsTheExitCode) {
  EXPECT_EQ(run({"check", "x"}).code, 0);
  EXPECT_EQ(run({"check", "bad"}).code, 78);
  EXPECT_EQ(run({"check", "bad"}).said, "bad: wrong\n");
  EXPECT_EQ(run({"check", "logged"}).code, 74);
  EXPECT_EQ(run({"check", "logged"}).said, "");
  EXPECT_EQ(run({"check", "busy"}).code, 75);
  EXPECT_EQ(run({"check", "throws"}).code, 70);
  EXPECT_EQ(run({"check", "throws"}).said, "tool: a bug\n");
}

TEST(CommandLine, AMisspeltCommandIsNamed) {
  EXPECT_EQ(run({"chek", "x"}).said, "tool has no command \"chek\"; did you mean \"check\"?\n");
  EXPECT_EQ(run({"chek", "x"}).code, 64);
  EXPECT_EQ(run({"--verbose"}).said, "tool has no command \"--verbose\"; there is check, topics\n");
  EXPECT_EQ(run({"topics", "aply"}).said,
            "topics has no command \"aply\"; did you mean \"apply\"?\n");
}

TEST(CommandLine, WhatIsMissingIsSaid) {
  for (const std::vector<std::string>& words :
       {std::vector<std::string>{}, {"check"}, {"topics"}, {"check", "x", "--flag"}}) {
    const Outcome outcome = run(words);
    EXPECT_EQ(outcome.code, 64);
    EXPECT_NE(outcome.said, "");
  }
  EXPECT_EQ(run({"check"}).said.substr(0, 16), "FILE is required");
}

TEST(CommandLine, WithoutACommandThoseThatThereAreAreListed) {
  EXPECT_THAT(run({}).said, AllOf(HasSubstr("\n  check "), HasSubstr("\n  topics ")));
  EXPECT_THAT(run({"topics"}).said, AllOf(HasSubstr("\n  apply "), Not(HasSubstr("check"))));
}

TEST(CommandLine, AnEmptyArgumentIsAVariableThatIsNotSet) {
  EXPECT_EQ(run({"check", ""}).said, "argument 2 is empty: is a variable not set?\n");
  EXPECT_EQ(run({"check", ""}).code, 64);
}

}  // namespace
}  // namespace weir
