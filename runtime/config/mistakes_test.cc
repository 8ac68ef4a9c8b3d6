// The mistakes that people make in a deployment's file, and the exact words that answer them: each
// NAME.yaml of testdata/mistakes with its NAME.txt, all problems, a line each. A name begins with
// the program that reads the file.
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include <gtest/gtest.h>

#include "config/test_stages.h"

namespace weir::config {
namespace {

namespace fs = std::filesystem;

// Relative to the project.
const fs::path kFolder = "runtime/config/testdata/mistakes";

std::string content_of(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  EXPECT_TRUE(file) << path << " can't be read";
  return {std::istreambuf_iterator<char>(file), {}};
}

// The names, sorted.
std::vector<std::string> names() {
  std::vector<std::string> found;
  std::error_code missing;  // no names then, which HoldsPairs finds wrong
  for (const fs::directory_entry& entry : fs::directory_iterator(kFolder, missing)) {
    if (entry.path().extension() == ".yaml") {
      found.push_back(entry.path().stem());
    }
  }
  std::sort(found.begin(), found.end());
  return found;
}

std::string answer_to(const std::string& name) {
  const StageSpec spec = name.starts_with("spam_") ? testing::spam_spec() : testing::ingest_spec();
  LoadOptions options;
  options.spec = &spec;
  options.kafka_property = [](std::string_view property, std::string_view) {
    return property == "bootstrap.servers"
               ? Status::ok()
               : Status::stop(ExitCode::config, "No such configuration property");
  };
  const std::string file = name + ".yaml";
  std::string said;
  for (const Problem& problem : load_text(content_of(kFolder / file), file, options).problems) {
    said += to_string(problem) + "\n";
  }
  return said;
}

TEST(MistakesFolder, HoldsPairs) {
  EXPECT_FALSE(names().empty());
  for (const fs::directory_entry& entry : fs::directory_iterator(kFolder)) {
    const bool is_file = entry.path().extension() == ".yaml";
    EXPECT_TRUE(is_file || entry.path().extension() == ".txt") << entry.path();
    EXPECT_TRUE(fs::exists(fs::path(entry.path()).replace_extension(is_file ? ".txt" : ".yaml")))
        << entry.path() << " stands alone";
    const std::string name = entry.path().stem();
    EXPECT_TRUE(name.starts_with("spam_") || name.starts_with("ingest_")) << entry.path();
  }
}

class Mistakes : public ::testing::TestWithParam<std::string> {};

TEST_P(Mistakes, AreAnsweredInTheseWords) {
  EXPECT_EQ(answer_to(GetParam()), content_of(kFolder / (GetParam() + ".txt")));
}

INSTANTIATE_TEST_SUITE_P(Folder, Mistakes, ::testing::ValuesIn(names()),
                         [](const auto& file) { return file.param; });

}  // namespace
}  // namespace weir::config
