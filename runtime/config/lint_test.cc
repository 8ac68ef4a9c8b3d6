#include "config/lint.h"

#include <filesystem>
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

TEST(Lint, ADatasetHasOneWriter) {
  EXPECT_EQ(said_of({deployment("c/a.yaml", "a", "x"), deployment("c/b.yaml", "b", "x")}),
            "c/b.yaml:5:21: outputs.events.dataset: \"x\" is written by a (c/a.yaml) already; a "
            "dataset has one writer\n");
}

TEST(Lint, ADeploymentHasOneFile) {
  EXPECT_EQ(said_of({deployment("c/a.yaml", "a", "x"), deployment("d/a.yaml", "a", "x")}),
            "d/a.yaml: the deployment \"a\" is in c/a.yaml already\n");
}

// What reads and writes topics that are kept as the flow maps say.
Deployment keeper(const std::string& stage, const std::string& input, const std::string& output) {
  Loaded loaded = load_text("stage: " + stage + "\ninputs:\n  in: {dedup: off, " + input +
                                "}\noutputs:\n  out: {" + output + "}\n",
                            "c/" + stage + ".yaml", {});
  EXPECT_TRUE(loaded.problems.empty()) << loaded.status().message();
  return loaded.deployment.value();
}

TEST(Lint, AnOutputIsKeptNoShorterThanItsInput) {
  EXPECT_EQ(said_of({keeper("a", "topic: raw, retention: 30d", "dataset: x, retention: 7d")}),
            "c/a.yaml:5:32: outputs.out.retention: x.v1 is kept for 7d, its input raw for 30d: a "
            "replay would be deleted as it is written\n");
  EXPECT_EQ(said_of({keeper("a", "topic: raw", "dataset: x, retention: 7d")}),
            "c/a.yaml:5:32: outputs.out.retention: x.v1 is kept for 7d, its input raw for ever "
            "(unless inputs.in.retention says else): a replay would be deleted as it is written\n");
  for (const char* enough :
       {"dataset: x, retention: 30d", "dataset: x, retention: forever", "dataset: x"}) {
    EXPECT_EQ(said_of({keeper("a", "topic: raw, retention: 30d", enough)}), "") << enough;
  }
  EXPECT_EQ(said_of({keeper("a", "topic: raw", "dataset: x, retention: 7d, root: true")}), "")
      << "a replay of it is as young as its writing";
}

TEST(Lint, HowLongAnInputIsKeptIsSaidByItsWriterOrByWhatThatOneReads) {
  const Deployment reader = keeper("b", "dataset: x, version: 1", "dataset: y, retention: 7d");
  EXPECT_EQ(said_of({reader}), "") << "not known";
  EXPECT_EQ(said_of({keeper("a", "topic: raw, retention: 7d", "dataset: x"), reader}), "");
  for (const Deployment& writer :
       {keeper("a", "topic: raw, retention: 30d", "dataset: x"),
        keeper("a", "topic: raw, retention: 7d", "dataset: x, retention: 30d")}) {
    EXPECT_EQ(
        said_of({reader, writer}),
        "c/b.yaml:5:32: outputs.out.retention: y.v1 is kept for 7d, its input x.v1 for 30d: a "
        "replay would be deleted as it is written\n");
  }
  EXPECT_EQ(said_of({keeper("a", "dataset: y, version: 1", "dataset: x"), reader}), "")
      << "a ring says nothing and ends";
}

// What writes x.
Deployment joiner(const std::string& inputs) {
  Loaded loaded = load_text("stage: j\ninputs: {" + inputs + "}\noutputs: {out: {dataset: x}}\n",
                            "c/j.yaml", {});
  EXPECT_TRUE(loaded.problems.empty()) << loaded.status().message();
  return loaded.deployment.value();
}

TEST(Lint, OfSeveralInputsTheLongestCounts) {
  const Deployment reader = keeper("b", "dataset: x, version: 1", "dataset: y, retention: 7d");
  for (const char* inputs :
       {"l: {topic: l, dedup: off, retention: 30d}, s: {topic: s, dedup: off, retention: 1d}",
        "l: {topic: s, dedup: off, retention: 1d}, s: {topic: l, dedup: off, retention: 30d}"}) {
    EXPECT_NE(said_of({joiner(inputs), reader}), "") << inputs;
  }
}

TEST(Lint, TwoWaysToOneWriterAreNoRing) {
  EXPECT_EQ(said_of({keeper("a", "topic: raw, retention: 30d", "dataset: w"),
                     keeper("l", "dataset: w, version: 1", "dataset: l"),
                     joiner("w: {dataset: w, version: 1, dedup: off}, "
                            "l: {dataset: l, version: 1, dedup: off}"),
                     keeper("b", "dataset: x, version: 1", "dataset: y, retention: 7d")}),
            "c/b.yaml:5:32: outputs.out.retention: y.v1 is kept for 7d, its input x.v1 for 30d: a "
            "replay would be deleted as it is written\n");
}

// As `topics apply` creates it, and refuses the output.
TEST(Lint, AnExternalTopicIsKeptAsLongAsAnyFileSays) {
  const Deployment week = keeper("a", "topic: raw, retention: 7d", "dataset: x, retention: 7d");
  EXPECT_EQ(said_of({week}), "");
  for (const Deployment& other : {keeper("b", "topic: raw, retention: 1d", "dataset: y"),
                                  keeper("b", "topic: raw", "dataset: y"),
                                  keeper("b", "topic: raw", "dataset: y, retention: 7d"),
                                  keeper("b", "topic: cooked, retention: 30d", "dataset: y")}) {
    EXPECT_EQ(said_of({week, other}), "");
  }
  EXPECT_EQ(said_of({week, keeper("b", "topic: raw, retention: 30d", "dataset: y")}),
            "c/a.yaml:5:32: outputs.out.retention: x.v1 is kept for 7d, its input raw for 30d: a "
            "replay would be deleted as it is written\n");
}

TEST(Lint, HowLongAnotherVersionWasKeptIsNotSaid) {
  Deployment writer = keeper("a", "topic: raw, retention: 30d", "dataset: x");
  const Deployment reader = keeper("b", "dataset: x, version: 1", "dataset: y, retention: 7d");
  EXPECT_NE(said_of({writer, reader}), "");
  writer.version = 2;
  EXPECT_EQ(said_of({writer, reader}), "");
}

struct Link {
  std::string file;
  std::string reads;
  int version = 1;
  std::string writes;
  std::string annotates = "";
};

Deployment link(const Link& link) {
  const std::string stage = std::filesystem::path(link.file).stem().string();
  Loaded loaded =
      load_text("stage: " + stage + "\ninputs:\n  in: {dedup: off, dataset: " + link.reads +
                    ", version: " + std::to_string(link.version) +
                    "}\noutputs: {out: {dataset: " + link.writes + "}}\n",
                link.file, {});
  EXPECT_TRUE(loaded.problems.empty()) << loaded.status().message();
  loaded.deployment->outputs[0].annotates = link.annotates;
  return std::move(*loaded.deployment);
}

TEST(Lint, AVersionThatItsWriterHasLeftBehindIsNoted) {
  Deployment writer = link({.file = "c/w.yaml", .reads = "raw", .writes = "x"});
  const Deployment reader = link({.file = "c/r.yaml", .reads = "x", .writes = "y"});
  EXPECT_TRUE(lint_notes(std::vector{reader, writer}).empty());
  writer.version = 2;
  writer.outputs[0].topic = "x.v2";
  const std::vector<Problem> notes = lint_notes(std::vector{reader, writer});
  ASSERT_EQ(notes.size(), 1U);
  EXPECT_EQ(to_string(notes[0]),
            "c/r.yaml:3:41: inputs.in.version: x.v1 is read, and w (c/w.yaml) writes x.v2: the "
            "older one ends where nothing of it runs any more");
  EXPECT_EQ(said_of({reader, writer}), "") << "both versions may run";
}

TEST(Lint, AVersionThatItsWriterHasNotReachedIsATypo) {
  const Link writer{.file = "c/w.yaml", .reads = "raw", .writes = "x"};
  EXPECT_EQ(said_of({link({.file = "c/r.yaml", .reads = "x", .version = 2, .writes = "y"}),
                     link(writer)}),
            "c/r.yaml:3:41: inputs.in.version: x.v2 is not there yet: w (c/w.yaml) writes version "
            "1\n");
  EXPECT_EQ(said_of({link({.file = "c/r.yaml", .reads = "x", .version = 1, .writes = "y"}),
                     link(writer)}),
            "");
  EXPECT_EQ(said_of({link({.file = "c/r.yaml", .reads = "x", .version = 2, .writes = "y"})}), "");
}

TEST(Lint, AnEarlierVersionOfWhatIsWrittenMayStillBeRead) {
  Deployment writer = link({.file = "c/w.yaml", .reads = "raw", .writes = "x"});
  writer.version = 2;
  EXPECT_EQ(said_of({writer, link({.file = "c/r.yaml", .reads = "x", .writes = "y"})}), "");
}

TEST(Lint, AFieldIsAnnotatedOnceOnTheWayOfARecord) {
  const Deployment first =
      link({.file = "c/a.yaml", .reads = "w", .writes = "x", .annotates = "m.M.f"});
  const Deployment between =
      link({.file = "c/b.yaml", .reads = "x", .writes = "y", .annotates = "m.M.g"});
  const Deployment again =
      link({.file = "c/c.yaml", .reads = "y", .writes = "z", .annotates = "m.M.f"});
  EXPECT_EQ(said_of({again, between, first}),
            "c/c.yaml:4:26: outputs.out: m.M.f is in what c reads already, a (c/a.yaml) has set it "
            "in x.v1: read what that one reads, or annotate a field of your own\n");
  EXPECT_EQ(said_of({again, first}), "") << "what lies between isn't known";
  EXPECT_EQ(said_of({between, first}), "");
}

TEST(Lint, WhatIsNotKnownToCarryItsInputOnEndsTheWay) {
  EXPECT_EQ(
      said_of({link({.file = "c/a.yaml", .reads = "w", .writes = "x", .annotates = "m.M.f"}),
               link({.file = "c/b.yaml", .reads = "x", .writes = "y"}),
               link({.file = "c/c.yaml", .reads = "y", .writes = "z", .annotates = "m.M.f"})}),
      "");
}

TEST(Lint, ACircleOfAnnotationsEnds) {
  EXPECT_EQ(
      said_of({link({.file = "c/a.yaml", .reads = "y", .writes = "x", .annotates = "m.M.f"}),
               link({.file = "c/b.yaml", .reads = "x", .writes = "y", .annotates = "m.M.g"}),
               link({.file = "c/c.yaml", .reads = "y", .writes = "z", .annotates = "m.M.h"})}),
      "c/a.yaml:4:26: outputs.out: m.M.f is in what a reads already, a (c/a.yaml) has set it in "
      "x.v1: read what that one reads, or annotate a field of your own\n"
      "c/b.yaml:4:26: outputs.out: m.M.g is in what b reads already, b (c/b.yaml) has set it in "
      "y.v1: read what that one reads, or annotate a field of your own\n");
}

}  // namespace
}  // namespace weir::config
