#include "tool/stage_files.h"

#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "config/deployment.h"
#include "config/lint.h"

namespace weir {
namespace {

using testing::HasSubstr;
using testing::Key;
using testing::Not;
using testing::UnorderedElementsAre;

TEST(StageFiles, InTreeTheyLieWhereTheBuildLooks) {
  EXPECT_THAT(stage_files("shout", true),
              UnorderedElementsAre(Key("stages/shout/shout.cc"), Key("stages/shout/shout_test.cc"),
                                   Key("stages/shout/CMakeLists.txt"),
                                   Key("proto/shout/v1/shout.proto"), Key("config/shout.yaml")));
}

TEST(StageFiles, OutOfTreeTheyAreAProject) {
  const auto files = stage_files("shout", false);
  EXPECT_THAT(files,
              UnorderedElementsAre(Key("shout.cc"), Key("shout_test.cc"), Key("CMakeLists.txt"),
                                   Key("proto/CMakeLists.txt"), Key("proto/shout/v1/shout.proto"),
                                   Key("config/shout.yaml")));
  EXPECT_THAT(files.at("CMakeLists.txt"), HasSubstr("find_package(weir REQUIRED)"));
}

TEST(StageFiles, NothingOfTheTemplateIsLeft) {
  for (const auto& [path, text] : stage_files("shout", true)) {
    EXPECT_THAT(text, Not(HasSubstr("Hello"))) << path;
    EXPECT_THAT(text, Not(HasSubstr("hello::"))) << path;
    EXPECT_THAT(text, Not(HasSubstr("template"))) << path;
    EXPECT_THAT(text, Not(HasSubstr("raw.names"))) << path;
  }
  EXPECT_THAT(stage_files("my_stage", true).at("stages/my_stage/my_stage.cc"),
              HasSubstr("class MyStage final : public weir::Stage"));
}

TEST(StageFiles, TheTestSaysThatItIsChangedWithTheStage) {
  for (const bool in_tree : {true, false}) {
    const std::string path = in_tree ? "stages/shout/shout_test.cc" : "shout_test.cc";
    EXPECT_THAT(stage_files("shout", in_tree).at(path), HasSubstr("change it with the stage"));
  }
}

TEST(StageFiles, ItsDeploymentLivesBesideHello) {
  std::vector<config::Deployment> deployments;
  const auto add = [&](const std::string& text, const std::string& file) {
    config::Loaded loaded = config::load_text(text, file, {});
    ASSERT_TRUE(loaded.status().is_ok()) << loaded.status().message();
    deployments.push_back(std::move(*loaded.deployment));
  };
  add(std::string(hello_texts().config), "config/hello.yaml");
  add(stage_files("shout", true).at("config/shout.yaml"), "config/shout.yaml");
  EXPECT_TRUE(config::lint(deployments).empty());
  EXPECT_NE(deployments[0].inputs[0].topic, deployments[1].inputs[0].topic);
}

const std::string kTooLong(300, 'a');

TEST(StageName, IsAWordThatEveryoneCanSpell) {
  for (const char* name : {"shout", "a1_b2"}) {
    EXPECT_TRUE(check_stage_name(name).is_ok()) << name;
  }
  for (const char* name : {"", "Shout", "1st", "_a", "a_", "a__b", "my-stage", "a.b", "../x", "new",
                           "class", "weir", "test", "größe", kTooLong.c_str()}) {
    const Status status = check_stage_name(name);
    ASSERT_FALSE(status.is_ok()) << name;
    EXPECT_EQ(status.exit_code(), ExitCode::usage);
    EXPECT_THAT(status.message(), HasSubstr("can't be a stage's name"));
  }
}

}  // namespace
}  // namespace weir
