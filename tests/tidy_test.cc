// Rules of the project's text that no compiler checks: who may include whom, which library is known
// where, names, widths. The rules are the tables below; each has a planted violation that it must
// report.
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <regex>
#include <set>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

namespace weir {
namespace {

namespace fs = std::filesystem;

using Names = std::set<std::string, std::less<>>;

// What a folder of runtime/ may include besides itself. `stages` is every folder of stages/.
const std::map<std::string, Names, std::less<>> kDirections = {
    {"text", {}},
    {"api", {}},
    {"fingerprint", {"api"}},
    {"model", {"api"}},
    {"dedup", {"api", "text"}},
    {"loop", {"api", "dedup", "fingerprint", "text"}},
    {"state", {"api", "dedup"}},
    {"kafka", {"api", "loop", "text"}},
    {"codec", {"api", "loop", "text"}},
    {"http", {"api", "loop", "text"}},
    {"catalog", {"api", "fingerprint", "loop"}},
    {"config", {"api", "text"}},
    {"assembly", {"api", "codec", "config", "loop"}},
    {"testing", {"api", "loop", "dedup", "codec", "config", "assembly", "text"}},
    {"host",
     {"api", "fingerprint", "model", "dedup", "loop", "state", "kafka", "codec", "http", "catalog",
      "config", "assembly", "testing", "text"}},
    {"tool",
     {"api", "fingerprint", "model", "dedup", "loop", "state", "kafka", "codec", "http", "catalog",
      "config", "assembly", "testing", "text", "host"}},
    {"stages", {"api", "model"}},
};

// A unit test may also include these.
const Names kTestsMayInclude = {"api", "loop", "dedup", "codec", "testing"};

// Libraries by the start of their includes, and the only folders that know them. An include of a
// library that is not here is free.
const std::map<std::string, Names, std::less<>> kLibraries = {
    {"librdkafka/", {"kafka"}}, {"yaml-cpp/", {"config"}}, {"CLI/", {"host", "tool"}},
    {"simdjson", {"codec"}},    {"rocksdb/", {"state"}},   {"boost/", {"http"}},
    {"prometheus/", {"http"}},  {"benchmark/", {}},        {"gtest/", {"testing"}},
    {"gmock/", {"testing"}},    {"lz4", {"kafka"}},        {"openssl/", {"kafka"}},
};

const Names kLibrariesOfTests = {"gtest/", "gmock/"};

const Names kBannedWords = {"manager", "handler", "helper", "helpers", "util",
                            "utils",   "common",  "base",   "data",    "info"};

constexpr size_t kColumnsMax = 100;

// Files with long lines that are content, not code: JSON records, the text of a report.
const Names kLongLines = {"bench/codec_bench.cc", "runtime/codec/oracle_test.cc",
                          "stages/spam/train.py"};

// Written with ~ for the dot, so that this file does not break its own rule.
const std::vector<std::string> kRegistryHosts = [] {
  std::vector<std::string> hosts = {
      "pypi~org",           "pythonhosted~org", "repo1.maven~org",  "repo.maven.apache~org",
      "registry.npmjs~org", "deb.debian~org",   "proxy.golang~org", "crates~io"};
  for (std::string& host : hosts)
    std::replace(host.begin(), host.end(), '~', '.');
  return hosts;
}();

enum class Rule {
  direction,
  unresolved,
  library,
  columns,
  file_name,
  type_name,
  pragma_once,
  registry_host,
};

struct Violation {
  Rule rule;
  std::string text;
};

struct Source {
  std::string path;  // relative to the project, with /
  std::string text;
};

// The name by which kDirections knows the file's folder; empty outside runtime/ and stages/.
std::string folder_of(std::string_view path) {
  if (path.starts_with("stages/"))
    return "stages";
  if (!path.starts_with("runtime/"))
    return "";
  path.remove_prefix(std::string_view("runtime/").size());
  const size_t slash = path.find('/');
  return slash == std::string_view::npos ? "" : std::string(path.substr(0, slash));
}

bool is_cpp(std::string_view path) {
  return path.ends_with(".h") || path.ends_with(".cc");
}

bool is_test(std::string_view path) {
  return path.ends_with("_test.cc") || path.ends_with("_case.h");
}

// Lower-case words of a file name or of an UpperCamel name.
Names words_of(std::string_view name) {
  Names words;
  std::string word;
  for (const char c : name) {
    const bool upper = c >= 'A' && c <= 'Z';
    const bool inside = upper || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
    if (!inside || upper) {
      words.insert(word);
      word.clear();
    }
    if (inside)
      word += static_cast<char>(upper ? c - 'A' + 'a' : c);
  }
  words.insert(word);
  return words;
}

std::string banned_word_in(std::string_view name) {
  for (const std::string& word : words_of(name)) {
    if (kBannedWords.contains(word))
      return word;
  }
  return "";
}

size_t columns_of(std::string_view line) {
  // Bytes that continue a UTF-8 character take no column.
  return static_cast<size_t>(
      std::count_if(line.begin(), line.end(), [](char c) { return (c & 0xC0) != 0x80; }));
}

class Checker {
 public:
  explicit Checker(const Source& source)
      : source_(source), folder_(folder_of(source.path)), cpp_(is_cpp(source.path)) {}

  std::vector<Violation> run() {
    if (!folder_.empty())
      check_file_name();
    if (cpp_ && source_.path.ends_with(".h") &&
        source_.text.find("#pragma once") == std::string::npos)
      report(Rule::pragma_once, "a header begins with #pragma once");
    std::istringstream lines(source_.text);
    for (std::string line; std::getline(lines, line);) {
      ++line_;
      check_line(line);
    }
    return std::move(found_);
  }

 private:
  void report(Rule rule, const std::string& text) {
    found_.push_back({rule, source_.path + ":" + std::to_string(line_) + ": " + text});
  }

  void check_file_name() {
    for (const fs::path& part : fs::path(source_.path)) {
      if (const std::string word = banned_word_in(part.string()); !word.empty())
        report(Rule::file_name, "the word '" + word + "' says nothing; name what is in it");
    }
  }

  void check_line(const std::string& line) {
    for (const std::string& host : kRegistryHosts) {
      if (line.find(host) != std::string::npos)
        report(Rule::registry_host, "'" + host + "': where packages come from is the machine's");
    }
    const std::string name = fs::path(source_.path).filename().string();
    if (cpp_ || name.ends_with(".proto") || name.ends_with(".py") || name.ends_with(".cmake") ||
        name == "CMakeLists.txt") {
      if (columns_of(line) > kColumnsMax && kLongLines.count(source_.path) == 0)
        report(Rule::columns, std::to_string(columns_of(line)) + " columns, at most 100");
    }
    if (!cpp_ || folder_.empty())
      return;
    static const std::regex include(R"re(^\s*#\s*include\s*(["<])([^">]+)[">])re");
    static const std::regex type(
        R"(^\s*(?:class|struct|enum|enum class) (\w+)\s*(?:[:{]|final|$))");
    std::smatch match;
    if (std::regex_search(line, match, include)) {
      check_include(match[2], match[1] == "\"");
    } else if (std::regex_search(line, match, type)) {
      if (const std::string word = banned_word_in(match[1].str()); !word.empty())
        report(Rule::type_name, "the word '" + word + "' in " + match[1].str());
    }
  }

  void check_include(const std::string& path, bool quoted) {
    for (const auto& [start, folders] : kLibraries) {
      const bool free =
          folders.contains(folder_) || (is_test(source_.path) && kLibrariesOfTests.contains(start));
      if (!path.starts_with(start))
        continue;
      if (!free)
        report(Rule::library, folder_ + " includes " + path + ", which is not its business");
      return;
    }
    const std::string first = path.substr(0, path.find('/'));
    if (first == "weir" || path.starts_with("api/")) {
      check_direction("api", path);
    } else if (quoted && path.find('/') != std::string::npos && !path.ends_with(".pb.h")) {
      if (first == "stages" || kDirections.contains(first)) {
        check_direction(first, path);
      } else if (folder_ != "stages") {
        report(Rule::unresolved, path + " is in no folder of runtime/");
      } else if (first != fs::path(source_.path).parent_path().filename()) {
        report(Rule::direction, "a stage includes nothing of another stage: " + path);
      }
    }
  }

  void check_direction(const std::string& to, const std::string& path) {
    const auto allowed = kDirections.find(folder_);
    if (allowed == kDirections.end()) {
      report(Rule::unresolved, "tests/tidy_test.cc does not know the folder runtime/" + folder_);
      return;
    }
    const bool own = to == folder_ && folder_ != "stages";
    const bool test = is_test(source_.path) && kTestsMayInclude.contains(to);
    if (!own && !test && !allowed->second.contains(to))
      report(Rule::direction, folder_ + " may not include " + to + ": " + path);
  }

  const Source& source_;
  const std::string folder_;
  const bool cpp_;
  size_t line_ = 0;
  std::vector<Violation> found_;
};

std::vector<Violation> check(const Source& source) {
  return Checker(source).run();
}

std::vector<Rule> rules_broken_by(const Source& source) {
  std::vector<Rule> rules;
  for (const Violation& violation : check(source))
    rules.push_back(violation.rule);
  return rules;
}

// Every file of the project's own; what is built, fetched or real input is not.
std::vector<Source> read_project() {
  std::vector<Source> sources;
  for (auto entry = fs::recursive_directory_iterator("."); entry != fs::end(entry); ++entry) {
    const std::string path = entry->path().lexically_relative(".").generic_string();
    if (path == ".git" || path == "build" || path == "state" || path == "ops/demo-data") {
      entry.disable_recursion_pending();
    } else if (entry->is_regular_file() && !entry->is_symlink()) {
      std::ifstream file(entry->path(), std::ios::binary);
      sources.push_back({path, {std::istreambuf_iterator<char>(file), {}}});
    }
  }
  return sources;
}

TEST(TidyTest, TheProjectKeepsTheRules) {
  ASSERT_TRUE(fs::exists("runtime/api/weir/stage.h")) << "run it in the project's root";
  size_t files = 0;
  for (const Source& source : read_project()) {
    files += folder_of(source.path).empty() ? 0 : 1;
    for (const Violation& violation : check(source))
      ADD_FAILURE() << violation.text;
  }
  EXPECT_GT(files, 10U);
}

// What `weir new stage` copies and README calls a whole stage.
TEST(TidyTest, TheTemplateOfAStageIsShort) {
  std::ifstream file("stages/hello/hello.cc");
  const auto lines = std::count(std::istreambuf_iterator<char>(file), {}, '\n');
  EXPECT_GT(lines, 20);
  EXPECT_LE(lines, 40);
}

TEST(TidyTest, EachRuleReportsItsPlantedViolation) {
  const std::map<Rule, std::vector<Source>> planted = {
      {Rule::direction,
       {{"runtime/dedup/x.cc", "#include \"loop/io.h\"\n"},
        {"runtime/api/x.cc", "#include \"dedup/stream_time.h\"\n"},
        {"runtime/loop/x.cc", "  #  include \"kafka/source.h\"\n"},
        {"runtime/loop/x_test.cc", "#include \"kafka/source.h\"\n"},
        {"runtime/testing/x.cc", "#include \"host/lane.h\"\n"},
        {"runtime/host/x.cc", "#include \"tool/tap.h\"\n"},
        {"stages/spam/x.cc", "#include \"loop/loop.h\"\n"},
        {"stages/spam/x.cc", "#include \"stages/hello/hello.h\"\n"},
        {"stages/spam/x.cc", "#include \"hello/hello.h\"\n"}}},
      {Rule::unresolved,
       {{"runtime/loop/x.cc", "#include \"absent/x.h\"\n"},
        {"runtime/absent/x.cc", "#include <weir/stage.h>\n"}}},
      {Rule::library,
       {{"runtime/loop/x.cc", "#include <librdkafka/rdkafka.h>\n"},
        {"runtime/host/x.cc", "#include <yaml-cpp/yaml.h>\n"},
        {"runtime/codec/x.cc", "#include <lz4frame.h>\n"},
        {"runtime/codec/x.cc", "#include <CLI/CLI.hpp>\n"},
        {"runtime/config/x.cc", "#include <simdjson.h>\n"},
        {"runtime/dedup/x.cc", "#include \"rocksdb/db.h\"\n"},
        {"runtime/host/x.cc", "#include <boost/asio.hpp>\n"},
        {"runtime/loop/x.cc", "#include <prometheus/counter.h>\n"},
        {"runtime/codec/x.cc", "#include <prometheus/counter.h>\n"},
        {"stages/spam/x.cc", "#include <rocksdb/db.h>\n"},
        {"runtime/dedup/x.cc", "#include <benchmark/benchmark.h>\n"},
        {"runtime/dedup/x.cc", "#include <gtest/gtest.h>\n"},
        {"runtime/dedup/x.cc", "#include <gmock/gmock.h>\n"}}},
      {Rule::columns,
       {{"runtime/api/x.cc", std::string(101, '/') + "\n"},
        {"proto/x.proto", std::string(101, '/') + "\n"},
        {"ops/x.py", "\n" + std::string(101, '#')},
        {"runtime/api/CMakeLists.txt", std::string(101, '#')}}},
      {Rule::file_name,
       {{"runtime/loop/turn_helper.cc", ""},
        {"runtime/kafka/util/x.cc", ""},
        {"stages/common/x.cc", ""}}},
      {Rule::type_name,
       {{"runtime/loop/x.cc", "class LaneManager {\n"},
        {"runtime/loop/x.cc", "struct RecordInfo final {\n"},
        {"runtime/loop/x.cc", "enum class BaseKind : char {\n"}}},
      {Rule::pragma_once, {{"runtime/loop/x.h", "#include <string>\n"}}},
      {Rule::registry_host,
       {{"README.md", "see https://" + kRegistryHosts.front() + "/project\n"}}},
  };
  for (int rule = 0; rule <= static_cast<int>(Rule::registry_host); ++rule)
    EXPECT_TRUE(planted.contains(static_cast<Rule>(rule))) << "nothing planted for rule " << rule;
  for (const auto& [rule, sources] : planted) {
    for (const Source& source : sources)
      EXPECT_EQ(rules_broken_by(source), std::vector{rule}) << source.path << "\n" << source.text;
  }
}

TEST(TidyTest, WhatIsLawfulIsNotReported) {
  const std::vector<Source> lawful = {
      {"runtime/loop/loop.cc",
       "#include \"loop/loop.h\"\n#include <vector>\n#include \"turn.h\"\n"},
      {"runtime/loop/io.h", "#pragma once\n#include <weir/status.h>\n#include \"dedup/seen.h\"\n"},
      {"runtime/kafka/source.cc", "#include <librdkafka/rdkafka.h>\n#include \"loop/io.h\"\n"},
      {"runtime/loop/x_test.cc", "#include <gtest/gtest.h>\n#include \"testing/log.h\"\n"},
      {"runtime/tool/x.cc", "#include \"kafka/source.h\"\n#include \"host/lane.h\"\n"},
      {"runtime/loop/metadata.cc", "class Metadata;\nstruct Database {\n"},
      {"stages/spam/spam.cc", "#include \"comments/v1/comment.pb.h\"\n#include <weir/stage.h>\n"},
      {"stages/spam/spam.cc", "#include \"spam/words.h\"\n#include \"words.h\"\n"},
      {"runtime/api/x.cc", std::string(100, '/') + "\n"},
      {"runtime/api/x.cc", "// " + std::string(60, '/') + "ääääääääääääääääääääääääää\n"},
      {"bench/peers/raw.cc", "#include <librdkafka/rdkafka.h>\n"},
  };
  for (const Source& source : lawful)
    EXPECT_EQ(rules_broken_by(source), std::vector<Rule>{}) << source.path << "\n" << source.text;
}

}  // namespace
}  // namespace weir
