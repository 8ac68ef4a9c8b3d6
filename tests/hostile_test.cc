// Hostile input, row by row: what comes of it. Whatever it is, it has exactly one outcome, and the
// record after it is processed. The times of the real files: event_times_test.py.
#include <ostream>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "testing/stage_driver.h"

namespace stages::ingest {
weir::StageSpec spec();
}  // namespace stages::ingest

namespace weir {
namespace {

using std::string_literals::operator""s;
using ::testing::SizeIs;

constexpr const char* kComments = "config/ingest-comments.yaml";
constexpr const char* kEdits = "config/ingest-edits.yaml";
const char* const kEvent = "event";

struct Row {
  const char* name;
  Piped record;
  std::string outcome;  // kEvent, or the reason of the dead letter
  const char* config = kComments;
};

void PrintTo(const Row& row, std::ostream* out) {
  *out << row.name;
}

std::string repeated(const std::string& text, int times) {
  std::string all;
  for (int i = 0; i < times; ++i) {
    all += text;
  }
  return all;
}

std::string comment(const std::string& more) {
  return R"({"comment_id": "a")" + more + "}";
}

std::string edit(const std::string& time, const std::string& more = "") {
  return R"({"time": )" + time + R"(, "user": "u", "page": "p")" + more + "}";
}

Piped value(std::string text) {
  return {.value = std::move(text)};
}

Piped with_timestamp(std::int64_t timestamp) {
  return {.value = comment(""), .timestamp = Timestamp(timestamp)};
}

Piped with_headers(int count) {
  Piped record{.value = comment("")};
  for (int i = 0; i < count; ++i) {
    record.headers.emplace_back("header " + std::to_string(i), std::string(10, 'x'));
  }
  return record;
}

std::vector<Row> rows() {
  return {
      // what is no JSON
      {"NoJson", value("not JSON"), "invalid_json"},
      {"Truncated", value(R"({"comment_id": "a", "cont)"), "invalid_json"},
      {"TwoObjects", value(comment("") + comment("")), "invalid_json"},
      {"AListAtTheTop", value("[1]"), "type_mismatch"},
      {"NullAtTheTop", value("null"), "type_mismatch"},
      {"AMillionBrackets", value(std::string(1'000'000, '[')), "too_deep"},
      {"AMillionBracketsInAField", value(comment(R"(, "x": )" + std::string(1'000'000, '['))),
       "too_deep"},
      {"DeepObjects", value(comment(R"(, "x": )" + repeated(R"({"x":)", 100'000))), "too_deep"},
      {"InvalidUtf8", value(comment(", \"content\": \"\xC3\x28\"")), "invalid_utf8"},
      {"OverlongUtf8", value(comment(", \"content\": \"\xC0\x80\"")), "invalid_utf8"},
      {"ALoneSurrogate", value(comment(R"(, "content": "\ud800")")), "invalid_json"},
      {"ANulByteInAString", value(comment(", \"content\": \"\0\""s)), "invalid_json"},
      {"AnEscapedNulInAString", value(comment(R"(, "content": "\u0000")")), kEvent},
      {"AByteOrderMark", value("\xEF\xBB\xBF" + comment("")), "invalid_json"},
      {"OnlySpaces", value("   "), "invalid_json"},
      {"EmptyValue", value(""), "empty_value"},
      {"Tombstone", {}, "tombstone"},
      {"ElevenMegabytes",
       value(comment(R"(, "content": ")" + std::string(std::size_t{11} << 20, 'x') + "\"")),
       "too_large"},
      // decodes, but no topic of the usual limits takes what comes of it
      {"NineMegabytes",
       value(comment(R"(, "content": ")" + std::string(std::size_t{9} << 20, 'x') + "\"")),
       "output_too_large"},
      // numbers
      {"A23DigitIdIsText", value(R"({"comment_id": "12345678901234567890123"})"), kEvent},
      {"A23DigitNumberAsId", value(R"({"comment_id": 12345678901234567890123})"), "type_mismatch"},
      {"A64BitOverflow",
       value(edit(R"("2015-09-12T00:46:58Z")", R"(, "delta": 9223372036854775808)")),
       "out_of_range", kEdits},
      {"The64BitMaximum",
       value(edit(R"("2015-09-12T00:46:58Z")", R"(, "delta": 9223372036854775807)")), kEvent,
       kEdits},
      {"A32BitOverflow", value(comment(R"(, "class": 2147483648)")), "out_of_range"},
      {"AFractionForAnInteger", value(comment(R"(, "class": 0.5)")), "type_mismatch"},
      {"Infinity", value(comment(R"(, "class": 1e999)")), "out_of_range"},
      // keys and types
      {"NoId", value(R"({"content": "hi"})"), "missing_key"},
      {"EmptyId", value(R"({"comment_id": ""})"), "missing_key"},
      {"NullId", value(R"({"comment_id": null})"), "missing_key"},
      {"AnObjectAsId", value(R"({"comment_id": {}})"), "type_mismatch"},
      {"TwoIds", value(R"({"comment_id": "a", "comment_id": "b"})"), "duplicate_key_field"},
      {"TwoContents", value(comment(R"(, "content": "a", "content": "b")")), kEvent},
      {"ANumberAsText", value(comment(R"(, "content": 1)")), "type_mismatch"},
      {"TextAsANumber", value(comment(R"(, "class": "one")")), "type_mismatch"},
      {"AListForOneValue", value(comment(R"(, "content": ["a"])")), "type_mismatch"},
      {"UnknownFields", value(comment(R"(, "x": {"y": [1, null]}, "z": 1e9999)")), kEvent},
      {"PartOfACompositeKey", value(R"({"time": "2015-09-12T00:46:58Z", "user": "u"})"),
       "missing_key", kEdits},
      // what Kafka brings along
      {"NullKey", value(comment("")), kEvent},
      {"EmptyKey", {.key = "", .value = comment("")}, kEvent},
      {"AThousandHeaders", with_headers(1'000), kEvent},
      {"TimestampNegative", with_timestamp(-1), kEvent},
      {"TimestampZero", with_timestamp(0), kEvent},
      {"TimestampFarAhead", with_timestamp(32'503'680'000'000), kEvent},  // the year 3000
      // event times
      {"NullDate", value(comment(R"(, "date": null)")), kEvent},
      {"NoZoneWhereOneIsDeclared", value(comment(R"(, "date": "2013-11-07T06:20:48")")), kEvent},
      {"AZoneWhereNoneIsExpected", value(comment(R"(, "date": "2013-11-07T06:20:48Z")")),
       "bad_event_time"},
      {"ADateThatIsNone", value(comment(R"(, "date": "2013-02-30T06:20:48")")), "bad_event_time"},
      {"ANumberAsDate", value(comment(R"(, "date": 1383805248)")), "bad_event_time"},
      {"NoZoneWhereItIsNeeded", value(edit(R"("2015-09-12T00:46:58")")), "bad_event_time", kEdits},
      {"SevenWeeksAhead", value(edit(R"("2015-11-01T00:46:58Z")")), kEvent, kEdits},
  };
}

class Hostile : public testing::TestWithParam<Row> {};

TEST_P(Hostile, HasItsOutcomeAndTheNextRecordIsProcessed) {
  const Row& row = GetParam();
  StageDriver driver(stages::ingest::spec(), ConfigFile{row.config});
  driver.pipe("events", row.record);
  driver.pipe("events", row.config == kComments ? R"({"comment_id": "the next"})"
                                                : edit(R"("2016-01-01T00:00:00Z")"));
  const std::vector<DeadLettered> letters = driver.dead_letters();
  if (row.outcome == kEvent) {
    EXPECT_THAT(letters, SizeIs(0)) << letters.front().reason << ": " << letters.front().message;
    EXPECT_THAT(driver.read_records("events"), SizeIs(2));
    return;
  }
  EXPECT_THAT(driver.read_records("events"), SizeIs(1));
  ASSERT_THAT(letters, SizeIs(1));
  EXPECT_EQ(letters[0].reason, row.outcome) << letters[0].message;
  EXPECT_EQ(letters[0].record.value, row.record.value.value_or(""));
}

INSTANTIATE_TEST_SUITE_P(Input, Hostile, testing::ValuesIn(rows()),
                         [](const auto& param) { return param.param.name; });

// A record stamped far ahead moves stream time: what follows it is judged at that time, and a
// resend is still found.
TEST(HostileTimes, AKafkaTimestampFarAheadLosesNothing) {
  StageDriver driver(stages::ingest::spec(), ConfigFile{kComments});
  driver.pipe("events", R"({"comment_id": "before"})");
  driver.pipe("events", with_timestamp(32'503'680'000'000));
  driver.pipe("events", R"({"comment_id": "after"})");
  driver.pipe("events", R"({"comment_id": "after"})");
  driver.restart();
  driver.pipe("events", R"({"comment_id": "after"})");
  EXPECT_THAT(driver.read_records("events"), SizeIs(3));
  EXPECT_EQ(driver.counts().turns.duplicates, 2U);
}

}  // namespace
}  // namespace weir
