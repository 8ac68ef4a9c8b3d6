// What the configuration adds to the mapping (oracle_test.cc has the mapping), and hostile values.
#include "codec/decoder.h"

#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "comments/v1/comment.pb.h"
#include "edits/v1/edit.pb.h"
#include "testdata/everything.pb.h"

#include "codec/reasons.h"

namespace weir {
namespace {

using codec::test::Everything;
using codec::test::Small;
using comments::v1::Comment;
using edits::v1::Edit;

template <class M>
class Subject {
 public:
  explicit Subject(PlanOptions options = {})
      : decoder_(DecodePlan::compile(M::descriptor(), std::move(options)).value(), nullptr) {}

  M decode(std::string_view json) {
    M message;
    wire_.truncate(0);
    const Status status = decoder_.decode(json, wire_, key_);
    EXPECT_TRUE(status.is_ok()) << json << "\n" << (status.is_ok() ? "" : status.message());
    EXPECT_TRUE(message.ParseFromString(std::string(wire_.view(0, wire_.size()))));
    return message;
  }

  std::string reason(std::string_view json) {
    wire_.truncate(0);
    const Status status = decoder_.decode(json, wire_, key_);
    EXPECT_TRUE(status.is_ok() || wire_.size() == 0) << "bytes of a failed record are left";
    return status.is_ok() ? "" : status.reason();
  }

  std::string message(std::string_view json) {
    const Status status = decoder_.decode(json, wire_, key_);
    return status.is_ok() ? "" : status.message();
  }

  std::uint64_t cleaned() const { return decoder_.counts().cleaned_fields; }

 private:
  Decoder decoder_;
  WireBuffer wire_;
  WireBuffer key_;
};

PlanOptions event_time(std::string from, std::string field, TimeFormat format,
                       std::string zone = "") {
  PlanOptions options;
  options.event_time = EventTime{std::move(field), std::move(from), format, std::move(zone)};
  return options;
}

TEST(Decoder, HostileValuesAreDeadLettersWithTheirReason) {
  struct Row {
    std::string json;
    std::string_view reason;
  };

  // NOLINTBEGIN(bugprone-string-constructor): meant to be large
  const std::string open(1'000'000, '[');
  const std::string large(10'000'000, 'x');
  // NOLINTEND(bugprone-string-constructor)
  std::string deep_objects;
  for (int i = 0; i < 100'000; ++i) {
    deep_objects += R"({"small":)";
  }
  const std::vector<Row> rows = {
      {"", reason::kEmptyValue},
      {" ", reason::kInvalidJson},
      {"hello", reason::kInvalidJson},
      {R"({"id":"x")", reason::kInvalidJson},
      {R"({"id":"x)", reason::kInvalidJson},
      {R"({"id":"x"}})", reason::kInvalidJson},
      {R"({"id":"x"} {"id":"y"})", reason::kInvalidJson},
      {R"({"id":5} x)", reason::kInvalidJson},
      {std::string("\0", 1), reason::kInvalidJson},
      {std::string("{\"id\":\"x\"}\0", 11), reason::kInvalidJson},
      {"{\"id\":\"\xff\"}", reason::kInvalidUtf8},
      {"{\"id\":\"\xc0\xaf\"}", reason::kInvalidUtf8},
      {"{\"id\":\"\xed\xa0\x80\"}", reason::kInvalidUtf8},
      {"{\"unknown\":\"\xc3\"}", reason::kInvalidUtf8},
      {open, reason::kTooDeep},
      {"{\"unknown\":" + open, reason::kTooDeep},
      {"{\"numbers\":" + open, reason::kTooDeep},
      {deep_objects, reason::kTooDeep},
      {"{\"id\":\"" + large + "\"}", reason::kTooLarge},
      {"[1]", reason::kTypeMismatch},
      {"null", reason::kTypeMismatch},
      {R"({"id":7})", reason::kTypeMismatch},
      {R"({"id":{}})", reason::kTypeMismatch},
      {R"({"number":"x"})", reason::kTypeMismatch},
      {R"({"number":1.5})", reason::kTypeMismatch},
      {R"({"number":true})", reason::kTypeMismatch},
      {R"({"number":2147483648})", reason::kOutOfRange},
      {R"({"number":12345678901234567890123})", reason::kOutOfRange},
      {R"({"number":"12345678901234567890123"})", reason::kOutOfRange},
      {R"({"number":1e999})", reason::kOutOfRange},
      {R"({"maybe":1,"maybe":1})", reason::kDuplicateField},
  };
  PlanOptions options;
  options.value_bytes_max = large.size();
  Subject<Small> subject(options);
  for (const Row& row : rows) {
    EXPECT_EQ(subject.reason(row.json), row.reason) << row.json.substr(0, 80);
  }
  EXPECT_EQ(subject.decode(R"({"id":"a\u0000b"})").id(), std::string("a\0b", 3));
}

TEST(Decoder, DepthIsCountedToItsLimit) {
  PlanOptions options;
  options.depth_max = 3;
  Subject<Small> subject(options);
  EXPECT_EQ(subject.reason(R"({"small":{"small":{}}})"), "");
  EXPECT_EQ(subject.reason(R"({"small":{"small":{"small":{}}}})"), "too_deep");
  EXPECT_EQ(subject.reason(R"({"x":[[1]]})"), "");
  EXPECT_EQ(subject.reason(R"({"x":[[[]]]})"), "too_deep");
  EXPECT_EQ(subject.reason(R"({"small":{"numbers":[]}})"), "");
}

TEST(Decoder, AFaultInTheSyntaxGoesBeforeOneInTheTypes) {
  Subject<Small> subject;
  EXPECT_EQ(subject.reason(R"({"id":7,"number":1)"), "invalid_json");
  EXPECT_EQ(subject.reason(R"({"id":7,"number":tru})"), "invalid_json");
  EXPECT_EQ(subject.reason(R"({"id":7}})"), "invalid_json");
}

TEST(Decoder, MessagesNameThePlaceAndShowLittleOfTheValue) {
  Subject<Everything> subject;
  EXPECT_EQ(subject.message(R"({"smalls":[{},{"small":{"number":"x"}}]})"),
            "smalls[1].small.number: expected an integer, found \"x\"");
  EXPECT_EQ(subject.message(R"({"small_map":{"7":{"id":[]}}})"),
            "small_map.7.id: expected a string, found a list");
  EXPECT_EQ(subject.message(R"({"int32s":[1,2147483648]})"),
            "int32s[1]: 2147483648 is outside -2147483648 … 2147483647");
  EXPECT_EQ(subject.message(R"({"everything":{"colour":{}}})"),
            "everything.colour: expected the name or number of an enum value, found an object");
  EXPECT_EQ(subject.message("{\"int32_field\":\"" + std::string(500, 'y') + "\"}"),
            "int32_field: expected an integer, found \"" + std::string(63, 'y') + "… (502 bytes)");
  EXPECT_EQ(subject.message("{\"a\" 1}"), "expected : at byte 5, found `1`");
  EXPECT_EQ(subject.message("not json"), "expected JSON at byte 0, found `not`");
}

TEST(Decoder, ZerosOfFieldsWithoutPresenceAreLeftOut) {
  Decoder decoder(DecodePlan::compile(Small::descriptor(), {}).value(), nullptr);
  WireBuffer wire;
  WireBuffer key;
  ASSERT_TRUE(decoder.decode(R"({"id":"","number":0,"numbers":[],"maybe":0})", wire, key).is_ok());
  EXPECT_EQ(wire.view(0, wire.size()), std::string_view("\x28\x00", 2));
}

TEST(Decoder, TheSameValueGivesTheSameBytesWhateverCameBefore) {
  const std::string value = R"({"x":1,"number":5,"id":"a","numbers":[1,2]})";
  const auto decode = [&value](Decoder& decoder) {
    WireBuffer wire;
    WireBuffer key;
    EXPECT_TRUE(decoder.decode(value, wire, key).is_ok());
    return std::string(wire.view(0, wire.size()));
  };
  Decoder fresh(DecodePlan::compile(Small::descriptor(), {}).value(), nullptr);
  Decoder used(DecodePlan::compile(Small::descriptor(), {}).value(), nullptr);
  for (const char* before :
       {R"({"id":"a","x":2,"y":{"z":1},"number":1})", R"({"numbers":[1],"id":1})",
        R"({"small":{"x":1,"id":"q"},"id":"a"})", "{", R"({"number":5,"x":1})"}) {
    WireBuffer wire;
    WireBuffer key;
    static_cast<void>(used.decode(before, wire, key));
  }
  EXPECT_EQ(decode(used), decode(fresh));
}

// ---- cleaning ----

TEST(Decoder, RenameTakesAJsonNameToAField) {
  PlanOptions options;
  options.rename = {{"class", "label"}, {"text", "content"}};
  Subject<Comment> subject(options);
  const Comment comment = subject.decode(R"({"class":1,"text":"hi","comment_id":"x"})");
  EXPECT_EQ(comment.label(), 1);
  EXPECT_EQ(comment.content(), "hi");
  EXPECT_EQ(subject.cleaned(), 2U);
}

TEST(Decoder, RenameMayGiveAFieldsNameToAnother) {
  PlanOptions options;
  options.rename = {{"author", "video"}, {"video", "author"}};
  const Comment comment = Subject<Comment>(options).decode(R"({"author":"a","video":"v"})");
  EXPECT_EQ(comment.video(), "a");
  EXPECT_EQ(comment.author(), "v");
}

TEST(Decoder, DefaultsFillWhatIsMissingOrNull) {
  PlanOptions options;
  options.defaults = {
      {"video", "no \"name\""}, {"label", "0"}, {"posted_at", "2000-01-01T00:00:00Z"}};
  Subject<Comment> subject(options);
  const Comment filled = subject.decode(R"({"video":null})");
  EXPECT_EQ(filled.video(), "no \"name\"");
  EXPECT_TRUE(filled.has_label());
  EXPECT_EQ(filled.posted_at().seconds(), 946'684'800);
  EXPECT_EQ(subject.cleaned(), 3U);
  const Comment kept =
      subject.decode(R"({"video":"","label":1,"posted_at":"1970-01-01T00:00:00Z"})");
  EXPECT_EQ(kept.video(), "");
  EXPECT_EQ(kept.label(), 1);
  EXPECT_EQ(kept.posted_at().seconds(), 0);
  EXPECT_EQ(subject.cleaned(), 3U);
}

TEST(Decoder, TrimTakesWhiteSpaceFromBothEndsAndCountsChanges) {
  PlanOptions options;
  options.trim = {"content"};
  Subject<Comment> subject(options);
  EXPECT_EQ(subject.decode(R"({"content":" \t a b\n","author":" x "})").content(), "a b");
  EXPECT_EQ(subject.decode(R"({"content":"a b"})").content(), "a b");
  EXPECT_EQ(subject.decode(R"({"content":"  "})").content(), "");
  EXPECT_EQ(subject.cleaned(), 2U);
}

TEST(Decoder, ARecordThatFailsCountsNothing) {
  PlanOptions options;
  options.rename = {{"class", "label"}};
  Subject<Comment> subject(options);
  EXPECT_EQ(subject.reason(R"({"class":1,"content":7})"), "type_mismatch");
  EXPECT_EQ(subject.cleaned(), 0U);
}

// ---- event time ----

TEST(Decoder, AZonelessTimeIsReadInItsDeclaredZone) {
  Subject<Comment> utc(event_time("date", "posted_at", TimeFormat::zoneless, "UTC"));
  EXPECT_EQ(utc.decode(R"({"date":"2013-11-07T06:20:48"})").posted_at().seconds(), 1383805248);
  const Comment fraction = utc.decode(R"({"date":"2013-07-12T22:33:27.916000"})");
  EXPECT_EQ(fraction.posted_at().nanos(), 916'000'000);
  Subject<Comment> east(event_time("date", "posted_at", TimeFormat::zoneless, "+01:30"));
  EXPECT_EQ(east.decode(R"({"date":"2013-11-07T06:20:48"})").posted_at().seconds(),
            1383805248 - 5400);
  Subject<Comment> west(event_time("date", "posted_at", TimeFormat::zoneless, "-08:00"));
  EXPECT_EQ(west.decode(R"({"date":"2013-11-07 06:20:48"})").posted_at().seconds(),
            1383805248 + 28800);
}

TEST(Decoder, AnEventTimeThatIsNullOrMissingLeavesTheFieldUnset) {
  Subject<Comment> subject(event_time("date", "posted_at", TimeFormat::zoneless, "UTC"));
  EXPECT_FALSE(subject.decode(R"({"date":null})").has_posted_at());
  EXPECT_FALSE(subject.decode("{}").has_posted_at());
  EXPECT_EQ(subject.decode(R"({"posted_at":"1970-01-01T00:00:05Z"})").posted_at().seconds(), 5);
}

TEST(Decoder, AnEventTimeThatDoesNotParseIsADeadLetter) {
  Subject<Comment> zoneless(event_time("date", "posted_at", TimeFormat::zoneless, "UTC"));
  for (const char* value :
       {"\"\"", "\"yesterday\"", "\"2013-11-07T06:20:48Z\"", "\"2013-02-29T00:00:00\"",
        "\"2013-11-07\"", "1383805248", "true", "{}", "[]"}) {
    EXPECT_EQ(zoneless.reason(std::string("{\"date\":") + value + "}"), "bad_event_time") << value;
  }
  EXPECT_EQ(zoneless.message(R"({"date":"soon"})"),
            "date: expected a time without a zone, found \"soon\"");
  Subject<Comment> zoned(event_time("date", "posted_at", TimeFormat::rfc3339));
  EXPECT_EQ(zoned.reason(R"({"date":"2013-11-07T06:20:48"})"), "bad_event_time");
  Subject<Comment> epoch(event_time("date", "posted_at", TimeFormat::epoch_ms));
  for (const char* value : {"\"x\"", "1e300", "999999999999999999999", "\"2013-11-07T06:20:48Z\"",
                            "true", "9223372036854775807"}) {
    EXPECT_EQ(epoch.reason(std::string("{\"date\":") + value + "}"), "bad_event_time") << value;
  }
}

TEST(Decoder, AnEventTimesFieldMayBeMappedToo) {
  Subject<Edit> subject(event_time("time", "edited_at", TimeFormat::rfc3339));
  const Edit edit = subject.decode(R"({"time":"2015-09-12T02:46:58.771+02:00","page":"x"})");
  EXPECT_EQ(edit.time(), "2015-09-12T02:46:58.771+02:00");
  EXPECT_EQ(edit.edited_at().seconds(), 1442018818);
  EXPECT_EQ(edit.edited_at().nanos(), 771'000'000);
}

TEST(Decoder, AnEventTimeMayComeFromTheNameOfItsOwnField) {
  Subject<Comment> subject(event_time("posted_at", "posted_at", TimeFormat::epoch_s));
  EXPECT_EQ(subject.decode(R"({"posted_at":1383805248})").posted_at().seconds(), 1383805248);
}

TEST(Decoder, AnEventTimeWithoutFromIsReadFromEveryNameOfItsField) {
  PlanOptions options = event_time("", "posted_at", TimeFormat::zoneless, "UTC");
  options.rename = {{"date", "posted_at"}};
  Subject<Comment> subject(std::move(options));
  for (const char* name : {"posted_at", "postedAt", "date"}) {
    const std::string record = std::string("{\"") + name + "\":\"2013-11-07T06:20:48\"}";
    EXPECT_EQ(subject.decode(record).posted_at().seconds(), 1383805248) << name;
  }
  EXPECT_FALSE(subject.decode("{}").has_posted_at());
  EXPECT_EQ(subject.message(R"({"date":"soon"})"),
            "posted_at: expected a time without a zone, found \"soon\"");
}

TEST(Decoder, AnEventTimeReplacesWhatTheRecordSaysInThatField) {
  Subject<Comment> subject(event_time("date", "posted_at", TimeFormat::epoch_s));
  const Comment comment = subject.decode(R"({"date":7,"posted_at":"2015-09-12T00:46:58.771Z"})");
  EXPECT_EQ(comment.posted_at().seconds(), 7);
  EXPECT_EQ(comment.posted_at().nanos(), 0);
}

TEST(Decoder, EpochTimesAreCountsOrStringsOfThem) {
  struct Row {
    TimeFormat format;
    const char* value;
    std::int64_t seconds;
    std::int32_t nanos;
  };

  for (const Row& row : std::vector<Row>{
           {TimeFormat::epoch_s, "0", 0, 0},
           {TimeFormat::epoch_s, "1383805248", 1383805248, 0},
           {TimeFormat::epoch_s, "\"1383805248\"", 1383805248, 0},
           {TimeFormat::epoch_s, "1383805248.5", 1383805248, 500'000'000},
           {TimeFormat::epoch_s, "-0.5", -1, 500'000'000},
           {TimeFormat::epoch_s, "-1", -1, 0},
           {TimeFormat::epoch_s, "1.383805248e9", 1383805248, 0},
           {TimeFormat::epoch_ms, "1383805248123", 1383805248, 123'000'000},
           {TimeFormat::epoch_ms, "-1", -1, 999'000'000},
           {TimeFormat::epoch_ms, "1.25", 0, 1'250'000},
           {TimeFormat::epoch_us, "1383805248123456", 1383805248, 123'456'000},
           {TimeFormat::epoch_us, "\"-1383805248000001\"", -1383805249, 999'999'000},
       }) {
    Subject<Comment> subject(event_time("date", "posted_at", row.format));
    const Comment comment = subject.decode(std::string("{\"date\":") + row.value + "}");
    EXPECT_EQ(comment.posted_at().seconds(), row.seconds) << row.value;
    EXPECT_EQ(comment.posted_at().nanos(), row.nanos) << row.value;
  }
}

TEST(Decoder, AKeyIsTakenAsWrittenBeforeCleaning) {
  PlanOptions options;
  options.trim = {"comment_id"};
  options.rename = {{"id", "comment_id"}};
  options.key = {"id"};
  Decoder decoder(DecodePlan::compile(Comment::descriptor(), options).value(), nullptr);
  WireBuffer wire;
  WireBuffer key;
  ASSERT_TRUE(decoder.decode(R"({"id":" a "})", wire, key).is_ok());
  EXPECT_EQ(key.view(0, key.size()), DedupKey::of(" a ").bytes());
  EXPECT_EQ(wire.view(0, wire.size()),
            "\x0a\x01"
            "a");
}

}  // namespace
}  // namespace weir
