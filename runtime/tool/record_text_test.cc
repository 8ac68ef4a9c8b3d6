#include "tool/record_text.h"

#include <array>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "comments/v1/comment.pb.h"

#include "loop/dead_letter.h"
#include "tool/key_text.h"

namespace weir {
namespace {

using namespace std::string_view_literals;
using testing::HasSubstr;
using testing::Not;

RawRecord record(std::optional<std::string_view> key, std::optional<std::string_view> value,
                 std::span<const Header> headers = {}) {
  return {
      {InputIndex(0), Partition(3)}, Offset(7), Timestamp(1'700'000'000'123), key, value, headers};
}

// The headers of a dead letter, as the loop makes them.
class Letter {
 public:
  Letter() {
    settings_.deployment = "ingest-x";
    settings_.version = 4;
    settings_.inputs.emplace_back().topic = "raw.x";
    const std::array before{Header{"trace", "t1"}, Header{"weir-retry", "1"}};
    const RawRecord record{{InputIndex(0), Partition(2)},
                           Offset(41),
                           Timestamp(1'600'000'000'000),
                           "k",
                           "{\"a\"",
                           before};
    headers_ = letters_.make(record, StreamTime(1), "invalid_json", "at byte 3").headers;
  }

  std::span<const Header> headers() const { return headers_; }

 private:
  LaneSettings settings_;
  DeadLetters letters_{settings_};
  std::span<const Header> headers_;
};

TEST(RecordText, AJsonObjectIsShownAsItIs) {
  RecordText text("t", nullptr);
  EXPECT_EQ(text.json(record("k", "{\"a\":\r\n12345678901234567890123}")),
            R"({"topic": "t", "partition": 3, "offset": 7, "timestamp": 1700000000123, )"
            R"("key": "k", "headers": [], "value": {"a":  12345678901234567890123}})");
}

TEST(RecordText, WhatIsNoTextIsBase64) {
  RecordText text("t", nullptr);
  EXPECT_THAT(
      text.json(record("\xff", "\0\1"sv)),
      HasSubstr(R"("key": {"base64": "/w=="}, "headers": [], "value": {"base64": "AAE="}})"));
  EXPECT_THAT(text.json(record({}, "abc\xff"sv)), HasSubstr(R"({"base64": "YWJj/w=="}})"));
}

TEST(RecordText, NothingIsNotEmpty) {
  RecordText text("t", nullptr);
  EXPECT_THAT(text.json(record({}, {})),
              HasSubstr(R"("key": null, "headers": [], "value": null})"));
  EXPECT_THAT(text.json(record("", "")), HasSubstr(R"("key": "", "headers": [], "value": ""})"));
}

TEST(RecordText, ATerminalGetsNoEscapeCodes) {
  RecordText text("t", nullptr);
  EXPECT_THAT(text.line(record("k\x1b[2J", "v\x1b[2J")), Not(HasSubstr("\x1b")));
}

TEST(RecordText, AMessageIsShownAsJson) {
  RecordText text("t", std::make_unique<JsonPrinter>(comments::v1::Comment::descriptor()));
  comments::v1::Comment comment;
  comment.set_comment_id("a");
  comment.set_label(1);
  EXPECT_THAT(text.json(record("a", comment.SerializeAsString())),
              HasSubstr(R"("value": {"comment_id":"a","label":1}})"));
}

TEST(RecordText, WhatIsNotTheMessageIsShownWithTheProblem) {
  RecordText text("t", std::make_unique<JsonPrinter>(comments::v1::Comment::descriptor()));
  const std::string shown = text.json(record("a", "\x0a\xff"));
  EXPECT_THAT(shown, HasSubstr(R"("problem": "the value is no comments.v1.Comment)"));
  EXPECT_THAT(shown, HasSubstr(R"("value": {"base64": "Cv8="}})"));
}

TEST(RecordText, ADeadLetterTellsItsStoryAndKeepsItsOwnHeaders) {
  RecordText text("t", std::make_unique<JsonPrinter>(comments::v1::Comment::descriptor()));
  EXPECT_THAT(text.json(record("k", "{\"a\"", Letter().headers())),
              HasSubstr(R"("headers": [{"name": "trace", "value": "t1"}, )"
                        R"({"name": "weir-retry", "value": "1"}], "dead_letter": )"
                        R"({"reason": "invalid_json", "message": "at byte 3", "topic": "raw.x", )"
                        R"("partition": 2, "offset": 41, "timestamp": 1600000000000, )"
                        R"("stage": "ingest-x", "version": 4}, "value": "{\"a\""})"));
}

TEST(RecordText, AFixtureOfJsonKeepsEveryByte) {
  RecordText text("t", nullptr);
  EXPECT_EQ(text.case_input(record("k'1", R"({"a": 1.0, "b": "it's"})")),
            R"({value: '{"a": 1.0, "b": "it''s"}', key: 'k''1', timestamp: 1700000000123})");
  EXPECT_EQ(text.case_input(record({}, "\xff")), "{base64: /w==, timestamp: 1700000000123}");
  EXPECT_EQ(text.case_input(record("k", {})), "{key: 'k', timestamp: 1700000000123}");
}

TEST(RecordText, AFixtureOfADeadLetterIsWhatItWas) {
  RecordText text("t", nullptr);
  EXPECT_EQ(text.case_input(record("k", "{\"a\"", Letter().headers())),
            R"({value: '{"a"', key: 'k', timestamp: 1600000000000, )"
            R"(headers: [{'trace': 't1'}, {'weir-retry': '1'}]})");
}

TEST(KeyText, IsTheFieldsTextInTheirOrder) {
  auto key = KeyText::of({"b", "a"}, 1000);
  ASSERT_TRUE(key.is_ok()) << key.status().message();
  EXPECT_EQ(key.value().read(R"({"a": 12345678901234567890123, "b": "x\u00e9\"y"})"),
            "x\u00e9\"y,12345678901234567890123");
}

TEST(KeyText, IsMissingWhereAFieldIs) {
  auto key = KeyText::of({"a"}, 1000);
  ASSERT_TRUE(key.is_ok());
  for (const char* line :
       {R"({"b": 1})", R"({"a": null})", R"({"a": 1)", "", "[]", R"({"a": {}})"}) {
    EXPECT_EQ(key.value().read(line), std::nullopt) << line;
  }
}

}  // namespace
}  // namespace weir
