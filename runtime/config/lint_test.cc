#include "config/lint.h"

#include <string>

#include <gtest/gtest.h>

namespace weir::config {
namespace {

Deployment deployment(const std::string& file, const std::string& stage,
                      const std::string& dataset) {
  const std::string text = "stage: " + stage +
                           "\n"
                           "inputs:\n"
                           "  events: {topic: raw.x, dedup: off}\n"
                           "outputs:\n"
                           "  events: {dataset: " +
                           dataset + "}\n";
  Loaded loaded = load_text(text, file, {});
  EXPECT_TRUE(loaded.problems.empty()) << loaded.status().message();
  return loaded.deployment.value();
}

std::string said_of(const std::vector<Deployment>& deployments) {
  std::string said;
  for (const Problem& problem : lint(deployments)) {
    said += to_string(problem) + "\n";
  }
  return said;
}

TEST(Lint, DeploymentsThatFitAreNotMentioned) {
  EXPECT_EQ(said_of({deployment("c/a.yaml", "a", "x"), deployment("c/b.yaml", "b", "y")}), "");
}

TEST(Lint, AFileIsNamedAfterItsDeployment) {
  EXPECT_EQ(said_of({deployment("c/wrong.yaml", "a", "x")}),
            "c/wrong.yaml: the deployment is \"a\": name the file a.yaml, or change stage and "
            "name\n");
}

TEST(Lint, ADatasetHasOneWriter) {
  EXPECT_EQ(said_of({deployment("c/a.yaml", "a", "x"), deployment("c/b.yaml", "b", "x")}),
            "c/b.yaml:5:21: outputs.events.dataset: \"x\" is written by a (c/a.yaml) already; a "
            "dataset has one writer\n");
}

TEST(Lint, ADeploymentHasOneFile) {
  EXPECT_EQ(said_of({deployment("c/a.yaml", "a", "x"), deployment("d/a.yaml", "a", "x")}),
            "d/a.yaml: the deployment \"a\" is in c/a.yaml already\n");
}

}  // namespace
}  // namespace weir::config
