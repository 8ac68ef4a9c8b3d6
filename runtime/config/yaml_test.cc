#include "config/yaml.h"

#include <string>

#include <gtest/gtest.h>

namespace weir::config {
namespace {

std::string repeated(const std::string& text, std::size_t times) {
  std::string made;
  made.reserve(text.size() * times);
  for (std::size_t i = 0; i < times; ++i) {
    made += text;
  }
  return made;
}

std::string problems_of(const std::string& text) {
  std::string said;
  for (const Problem& problem : read_yaml(text, "f").problems) {
    said += to_string(problem) + "\n";
  }
  return said;
}

// The text of the scalar under `key`.
std::string scalar(const std::string& text, const std::string& key) {
  const Document document = read_yaml(text, "f");
  EXPECT_EQ(problems_of(text), "");
  const Node* node = document.root ? document.root->find(key) : nullptr;
  EXPECT_TRUE(node != nullptr && node->kind == Node::Kind::scalar) << text;
  return node != nullptr ? node->text : "";
}

TEST(Yaml, ScalarsAreTheTextThatStandsThere) {
  for (const char* text :
       {"no", "NO", "off", "012", "0x1F", "1e3", "1_000", ".inf", "2026-01-31", "12:30:45", "="}) {
    EXPECT_EQ(scalar(std::string("a: ") + text + "\n", "a"), text);
  }
}

TEST(Yaml, QuotesAndBlocksAreYamls) {
  EXPECT_EQ(scalar("a: 'it''s'\n", "a"), "it's");
  EXPECT_EQ(scalar("a: \"x\\ty\\\"\"\n", "a"), "x\ty\"");
  EXPECT_EQ(scalar("a: |\n  x\n  y\n", "a"), "x\ny\n");
  EXPECT_EQ(scalar("a: \"null\"\n", "a"), "null");
  EXPECT_EQ(scalar("a: 'x'  # a comment with a \" in it\n", "a"), "x");
}

TEST(Yaml, NullIsNothing) {
  for (const char* text : {"a:\n", "a: ~\n", "a: null\n"}) {
    EXPECT_EQ(read_yaml(text, "f").root->find("a")->kind, Node::Kind::nothing) << text;
  }
}

TEST(Yaml, PlacesCountCharactersFromOne) {
  const Document document = read_yaml("a: {x: ä, y: [1, é, 3]}\nb:\n  c: d\n", "f");
  EXPECT_EQ(to_string(document.root->find("a")->find("y")->items[2].place), "f:1:21");
  EXPECT_EQ(to_string(document.root->find("b")->entries[0].place), "f:3:3");
  EXPECT_EQ(to_string(document.root->find("b")->find("c")->place), "f:3:6");
}

TEST(Yaml, ByteOrderMarkAndCarriageReturnsChangeNothing) {
  const Document document = read_yaml(std::string("\xEF\xBB\xBF") + "a: x\r\nb: y\r\n", "f");
  ASSERT_TRUE(document.problems.empty());
  EXPECT_EQ(document.root->find("a")->text, "x");
  EXPECT_EQ(document.root->find("b")->text, "y");
  EXPECT_EQ(to_string(document.root->find("b")->place), "f:2:4");
}

TEST(Yaml, AllRefusalsAreFoundInOnePass) {
  EXPECT_EQ(problems_of("a: &x 1\na: 2\n<<: {}\nb: *x\n? [k]\n: 1\nc: !t 1\nd: {e: 1, e: 2}\n"),
            "f:1:4: an anchor (&name) is refused: write the value out\n"
            "f:2:1: \"a\" is given twice; the first is in line 1\n"
            "f:3:1: a merge key (<<) is refused: write the keys out\n"
            "f:4:4: an alias (*name) is refused: write the value out\n"
            "f:5:3: a key is text\n"
            "f:7:4: a tag (!name) is refused: values are text, lists and maps\n"
            "f:8:11: \"e\" is given twice; the first is in line 8\n");
}

TEST(Yaml, TheFirstOfTwoEqualKeysStays) {
  EXPECT_EQ(read_yaml("a: 1\na: {b: [2]}\nc: 3\n", "f").root->entries.size(), 2U);
  EXPECT_EQ(read_yaml("a: 1\na: {b: [2]}\nc: 3\n", "f").root->find("a")->text, "1");
}

TEST(Yaml, BytesThatAreNoTextAreRefusedWithTheirPlace) {
  EXPECT_EQ(problems_of(std::string("a: x\nb: \0y\n", 10)),
            "f:2:4: byte 0x00 is not text: the file must be UTF-8 without control characters\n");
  EXPECT_EQ(problems_of("a: \x1b[1m\n"),
            "f:1:4: byte 0x1b is not text: the file must be UTF-8 without control characters\n");
  EXPECT_EQ(problems_of("a: \xE4\n"),
            "f:1:4: byte 0xe4 is not text: the file must be UTF-8 without control characters\n");
  EXPECT_EQ(problems_of(std::string("\xFF\xFE") + "a"),
            "f:1:1: byte 0xff is not text: the file must be UTF-8 without control characters\n");
  EXPECT_EQ(problems_of("a: \xC0\xAF\n"),  // a slash, longer than it need be
            "f:1:4: byte 0xc0 is not text: the file must be UTF-8 without control characters\n");
}

TEST(Yaml, AQuoteIsClosed) {
  for (const char* text : {"a: \"x\n", "a: 'x\n", "a: 'x''\n", "a: \"x\\\"\n", "a: \"x\nb: y\n"}) {
    EXPECT_EQ(problems_of(text), "f:1:4: a quote is opened and not closed\n") << text;
  }
}

TEST(Yaml, AnEmptyFileIsSaidToBeEmpty) {
  for (const char* text : {"", "\n\n", "# only a comment\n", "---\n", "~\n"}) {
    EXPECT_EQ(problems_of(text), "f:1:1: empty\n") << text;
  }
}

TEST(Yaml, OneDocumentOnly) {
  EXPECT_EQ(problems_of("---\na: 1\n"), "");
  EXPECT_EQ(problems_of("a: 1\n---\nb: 1\n"),
            "f:2:1: a second document begins here: one file, one document\n");
}

TEST(Yaml, AnAliasBombIsRefusedWithoutGoingOff) {
  std::string bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n";
  for (int i = 1; i <= 20; ++i) {
    const std::string inner = "*a" + std::to_string(i - 1);
    bomb += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [" + inner;
    bomb += repeated(", " + inner, 8) + "]\n";
  }
  EXPECT_EQ(read_yaml(bomb, "f").problems.size(), 21U + 20U * 9U);
}

TEST(Yaml, DepthIsLimited) {
  EXPECT_EQ(problems_of(repeated("[", 64) + repeated("]", 64)), "");
  EXPECT_EQ(problems_of(repeated("[", 65) + repeated("]", 65)), "f:1:65: nested deeper than 64\n");
  EXPECT_EQ(problems_of(repeated("[", kYamlBytesMax)).substr(0, 4), "f:1:");
  EXPECT_EQ(problems_of(repeated("{", kYamlBytesMax)).substr(0, 4), "f:1:");
  EXPECT_EQ(problems_of(repeated("- ", kYamlBytesMax / 2)), "f:1:129: nested deeper than 64\n");
}

TEST(Yaml, NodesAreLimited) {
  EXPECT_EQ(problems_of("[" + repeated("a,", kYamlNodesMax - 1) + "]"), "");
  EXPECT_EQ(problems_of("[" + repeated("a,", kYamlNodesMax) + "]"),
            "f:1:200000: more than 100000 values\n");
}

TEST(Yaml, BytesAreLimited) {
  EXPECT_EQ(scalar("a: " + std::string(kYamlBytesMax - 3, 'x'), "a").size(), kYamlBytesMax - 3);
  EXPECT_EQ(problems_of("a: " + std::string(kYamlBytesMax - 2, 'x')),
            "f: larger than 1048576 bytes\n");
}

TEST(Yaml, EveryPrefixAndEveryChangedByteIsAnswered) {
  const std::string text =
      "stage: x  # c\ninputs: {a: [1, 'b'], \"c\": |\n  d\n}\nlist:\n  - e: f\n    g: >-\n      "
      "h\n";
  for (std::size_t i = 0; i <= text.size(); ++i) {
    const Document document = read_yaml(text.substr(0, i), "f");
    EXPECT_TRUE(document.root || !document.problems.empty());
  }
  for (std::size_t i = 0; i < text.size(); ++i) {
    for (int byte = 0; byte < 256; ++byte) {
      std::string changed = text;
      changed[i] = static_cast<char>(byte);
      const Document document = read_yaml(changed, "f");
      EXPECT_TRUE(document.root || !document.problems.empty());
    }
  }
}

TEST(Yaml, AFileThatCannotBeReadIsNamed) {
  EXPECT_EQ(to_string(read_yaml_file("/no/such/file.yaml").problems.at(0)),
            "/no/such/file.yaml: can't be read: No such file or directory");
  EXPECT_EQ(to_string(read_yaml_file("/").problems.at(0)), "/: can't be read: Is a directory");
}

}  // namespace
}  // namespace weir::config
