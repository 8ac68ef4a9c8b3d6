#include "text/words.h"

#include <vector>

#include <gtest/gtest.h>

namespace weir {
namespace {

TEST(Words, AWrongWordIsTakenForTheNearestThatIsThere) {
  const std::vector<std::string> known{"lanes", "log", "comments.v1.Comment"};
  EXPECT_EQ(nearest("lane", known), "lanes");
  EXPECT_EQ(nearest("LANSE", known), "lanes");
  EXPECT_EQ(nearest("Coment", known), "comments.v1.Comment") << "named without its package";
  EXPECT_EQ(nearest("colour", known), "");
  EXPECT_EQ(did_you_mean("lanse", known), "; did you mean \"lanes\"?");
  EXPECT_EQ(did_you_mean("colour", known), "");
  EXPECT_EQ(suggestion("colour", known), "; there is lanes, log, comments.v1.Comment");
  EXPECT_EQ(suggestion("colour", {}), "");
  const std::string twenty = suggestion("colour", std::vector<std::string>(20, "x"));
  EXPECT_EQ(suggestion("colour", std::vector<std::string>(21, "x")), twenty + ", …");
}

TEST(Words, AQuotedValueStaysOnItsLineAndShort) {
  EXPECT_EQ(quote("a\nb\x01"), "\"a\\nb\\x01\"");
  EXPECT_LT(quote(std::string(1000, 'x')).size(), 100U);
}

TEST(Words, AJsonStringHoldsItsTextUnshortened) {
  EXPECT_EQ(json_quote("a\"b\\c\nd\te\x01/ä"), R"("a\"b\\c\nd\te\u0001/ä")");
  EXPECT_EQ(json_quote(std::string(1000, 'x')), "\"" + std::string(1000, 'x') + "\"");
}

TEST(Words, LargeNumbersAreGrouped) {
  EXPECT_EQ(grouped(0), "0");
  EXPECT_EQ(grouped(999), "999");
  EXPECT_EQ(grouped(1000), "1,000");
  EXPECT_EQ(grouped(1234567), "1,234,567");
}

}  // namespace
}  // namespace weir
