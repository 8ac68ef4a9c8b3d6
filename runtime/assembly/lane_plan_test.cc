#include "assembly/lane_plan.h"

#include <gtest/gtest.h>

namespace weir {
namespace {

class Passing final : public Stage {
 public:
  void process(const Record&, Out&) override {}
};

// What is wrong with the input `b`, of which the file says this besides.
std::string said_of(const std::string& input) {
  const StageSpec spec =
      StageSpec::of<Passing>("passing", "").input("a", "").input("b", "").output("out", "");
  config::LoadOptions options;
  options.spec = &spec;
  const config::Loaded loaded = config::load_text(
      "stage: passing\n"
      "proto: [proto]\n"
      "inputs:\n"
      "  a: {topic: raw.a, dedup: off}\n"
      "  b:\n"
      "    topic: raw.b\n"
      "    dedup: off\n" +
          input + "outputs: {out: {dataset: out}}\n",
      "x.yaml", options);
  EXPECT_TRUE(loaded.deployment) << loaded.status().message();
  const Status planned = plan_lane(loaded.deployment.value(), spec).status();
  EXPECT_EQ(planned.exit_code(), ExitCode::config);
  return planned.message();
}

TEST(LanePlan, WhatTheSchemaDoesNotHaveIsSaidAtItsPlaceInTheFile) {
  EXPECT_EQ(said_of("    message: comments.v1.Coment\n"),
            "x.yaml:8:14: inputs.b: message: no message \"comments.v1.Coment\" in the schema; did "
            "you mean \"comments.v1.Comment\"?");
  const std::string comment = "    message: comments.v1.Comment\n";
  EXPECT_EQ(
      said_of(comment + "    rename: {class: lable}\n"),
      "x.yaml:9:21: inputs.b: rename.class: comments.v1.Comment has no field \"lable\"; did you "
      "mean \"label\"?");
  EXPECT_EQ(said_of(comment + "    rename: {content: author, class: lable}\n").substr(0, 13),
            "x.yaml:9:38: ");
  EXPECT_EQ(
      said_of(comment + "    defaults: {author: a, lable: 1}\n"),
      "x.yaml:9:34: inputs.b: defaults.lable: comments.v1.Comment has no field \"lable\"; did "
      "you mean \"label\"?");
  EXPECT_EQ(
      said_of(comment + "    event_time: {field: content, from: date}\n"),
      "x.yaml:9:25: inputs.b: event_time.field: comments.v1.Comment.content is not a singular "
      "google.protobuf.Timestamp");
}

}  // namespace
}  // namespace weir
