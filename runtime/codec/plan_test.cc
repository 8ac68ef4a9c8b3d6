#include "codec/plan.h"

#include <string>

#include <google/protobuf/descriptor.pb.h>
#include <gtest/gtest.h>

#include "comments/v1/comment.pb.h"
#include "testdata/everything.pb.h"

namespace weir {
namespace {

using codec::test::Everything;

// The message of a plan that must be refused.
std::string refusal(const PlanOptions& options,
                    const google::protobuf::Descriptor* type = Everything::descriptor()) {
  const auto plan = DecodePlan::compile(type, options);
  if (plan.is_ok()) {
    return "accepted";
  }
  EXPECT_EQ(plan.status().remedy(), Remedy::stop);
  EXPECT_EQ(plan.status().exit_code(), ExitCode::config);
  return plan.status().message();
}

PlanOptions with(void (*set)(PlanOptions&)) {
  PlanOptions options;
  set(options);
  return options;
}

TEST(DecodePlan, RefusesUnknownFieldsAndSaysWhatWasMeant) {
  EXPECT_EQ(refusal(with([](PlanOptions& o) {
              o.rename = {{"x", "strin_field"}};
            })),
            "rename.x: weir.codec.test.Everything has no field \"strin_field\"; did you mean "
            "\"string_field\"?");
  EXPECT_EQ(refusal(with([](PlanOptions& o) { o.trim = {"qqqqqqqqqq"}; })),
            "trim: weir.codec.test.Everything has no field \"qqqqqqqqqq\"");
  EXPECT_EQ(refusal(with([](PlanOptions& o) {
              o.defaults = {{"colours_", "1"}};
            })),
            "defaults.colours_: weir.codec.test.Everything has no field \"colours_\"; did you mean "
            "\"colours\"?");
  EXPECT_EQ(refusal(with([](PlanOptions& o) {
              o.event_time = EventTime{"timstamp", "t", TimeFormat::rfc3339, ""};
            })),
            "event_time.field: weir.codec.test.Everything has no field \"timstamp\"; did you mean "
            "\"timestamp\"?");
}

TEST(DecodePlan, RefusesWhatAFieldCannotDo) {
  EXPECT_EQ(refusal(with([](PlanOptions& o) { o.trim = {"strings"}; })),
            "trim: weir.codec.test.Everything.strings is not a singular string; only those are "
            "trimmed");
  EXPECT_EQ(refusal(with([](PlanOptions& o) {
              o.defaults = {{"int32s", "1"}};
            })),
            "defaults.int32s: weir.codec.test.Everything.int32s is repeated");
  EXPECT_EQ(
      refusal(with([](PlanOptions& o) {
        o.defaults = {{"choice_int32", "1"}};
      })),
      "defaults.choice_int32: weir.codec.test.Everything.choice_int32 is a member of a oneof");
  EXPECT_EQ(refusal(with([](PlanOptions& o) {
              o.defaults = {{"int32_field", "x"}};
            })),
            "defaults.int32_field: expected an integer, found \"x\"");
  EXPECT_EQ(refusal(with([](PlanOptions& o) {
              o.defaults = {{"colour", "COLOUR_PINK"}};
            })),
            "defaults.colour: the enum has no value \"COLOUR_PINK\"");
  EXPECT_EQ(refusal(with([](PlanOptions& o) {
              o.defaults = {{"small", "x"}};
            })),
            "defaults.small: expected an object, found \"x\"");
  EXPECT_EQ(refusal(with([](PlanOptions& o) {
              o.rename = {{"count", "int32_field"}};
              o.defaults = {{"count", "x"}};
            })),
            "defaults.count: expected an integer, found \"x\"");
  EXPECT_EQ(refusal(with([](PlanOptions& o) {
              o.event_time = EventTime{"string_field", "t", TimeFormat::rfc3339, ""};
            })),
            "event_time.field: weir.codec.test.Everything.string_field is not a singular "
            "google.protobuf.Timestamp");
}

TEST(DecodePlan, RefusesZonesThatItDoesNotKnow) {
  for (const char* zone : {"", "Europe/Berlin", "+1:00", "+25:00", "utc"}) {
    PlanOptions options;
    options.event_time = EventTime{"timestamp", "t", TimeFormat::zoneless, zone};
    EXPECT_NE(refusal(options).find("is neither UTC nor an offset such as +01:00"),
              std::string::npos)
        << zone;
  }
  EXPECT_EQ(refusal(with([](PlanOptions& o) {
              o.event_time = EventTime{"timestamp", "t", TimeFormat::epoch_s, "UTC"};
            })),
            "event_time.zone: only the format `zoneless` takes a zone");
}

TEST(DecodePlan, RefusesKeysNamedTwice) {
  EXPECT_EQ(refusal(with([](PlanOptions& o) {
              o.key = {"string_field", "stringField"};
            })),
            "dedup.key: \"stringField\" names a field that is in the key already");
  EXPECT_EQ(refusal(with([](PlanOptions& o) { o.key = {"string_map"}; })),
            "dedup.key: weir.codec.test.Everything.string_map is a map; a key is made of strings, "
            "numbers and truth values");
}

TEST(DecodePlan, RefusesOptionsThatNeedAMessage) {
  EXPECT_EQ(refusal(with([](PlanOptions& o) { o.trim = {"x"}; }), nullptr),
            "rename, defaults, trim and event_time need a message: name its type");
}

TEST(DecodePlan, RefusesTypesThatAreNoRecords) {
  EXPECT_EQ(refusal({}, google::protobuf::Timestamp::descriptor()),
            "message: google.protobuf.Timestamp is not the type of a record");
  EXPECT_EQ(refusal({}, google::protobuf::UninterpretedOption::NamePart::descriptor()),
            "message: google.protobuf.UninterpretedOption.NamePart.name_part: `required` fields of "
            "proto2 can't be read from JSON here");
}

}  // namespace
}  // namespace weir
