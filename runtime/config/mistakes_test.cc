// The mistakes that people make in a deployment's file, and the exact words that answer them.
#include <string>

#include <gtest/gtest.h>

#include "config/test_stages.h"

namespace weir::config {
namespace {

constexpr const char* kSpam =
    "stage: spam\n"
    "inputs:\n"
    "  comments: {dataset: comments, version: 1, dedup: off}\n"
    "outputs:\n"
    "  classified: {dataset: comments.classified}\n";

constexpr const char* kIngest =
    "stage: ingest\n"
    "inputs:\n"
    "  events:\n"
    "    topic: raw.comments\n"
    "    dedup: off\n"
    "outputs:\n"
    "  events: {dataset: comments}\n";

struct Mistake {
  const char* name;
  const char* file;     // kSpam or kIngest
  const char* instead;  // this text of it …
  const char* written;  // … is replaced by this; an empty `instead` appends
  const char* said;     // all problems, a line each
};

void PrintTo(const Mistake& mistake, std::ostream* out) { *out << mistake.name; }

const Mistake kMistakes[] = {
#include "mistakes.inc"
};

std::string answer_to(const Mistake& mistake) {
  std::string text = mistake.file;
  const std::string instead = mistake.instead;
  if (instead.empty()) {
    text += mistake.written;
  } else {
    text.replace(text.find(instead), instead.size(), mistake.written);
  }
  const StageSpec spec = mistake.file == kSpam ? testing::spam_spec() : testing::ingest_spec();
  LoadOptions options;
  options.spec = &spec;
  options.kafka_property = [](std::string_view name, std::string_view) {
    return name == "bootstrap.servers" || name.substr(0, 5) == "sasl."
               ? Status::ok()
               : Status::stop(ExitCode::config, "No such configuration property");
  };
  std::string said;
  for (const Problem& problem : load_text(text, "f.yaml", options).problems) {
    said += to_string(problem) + "\n";
  }
  return said;
}

class Mistakes : public ::testing::TestWithParam<Mistake> {};

TEST_P(Mistakes, AreAnsweredInTheseWords) {
  EXPECT_EQ(answer_to(GetParam()), GetParam().said);
}

INSTANTIATE_TEST_SUITE_P(Table, Mistakes, ::testing::ValuesIn(kMistakes),
                         [](const auto& row) { return std::string(row.param.name); });

}  // namespace
}  // namespace weir::config
