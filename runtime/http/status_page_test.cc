#include "http/status_page.h"

#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "http/escape.h"

namespace weir {
namespace {

using std::chrono::seconds;
using std::chrono::system_clock;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

ProcessStatus running() {
  ProcessStatus status;
  status.deployment = "ingest-comments";
  status.version = 2;
  status.build = "0.1.0";
  status.bootstrap = "kafka:9092";
  status.started = system_clock::time_point(seconds(1'700'000'000));
  status.state = ProcessState::running;
  status.ready = true;
  status.dead_letters = {3,
                         "json_syntax",
                         "ingest-comments.dead_letters.v2",
                         40,
                         system_clock::time_point(seconds(1'700'000'010)),
                         system_clock::time_point(seconds(1'700'000'020))};
  LaneStatus lane;
  lane.state = "running";
  lane.partitions.push_back({.input = "in",
                             .topic = "raw.comments",
                             .partition = Partition(3),
                             .phase = PartitionPhase::running,
                             .committed = NextOffset(90),
                             .end = NextOffset(100),
                             .lag_records = 10,
                             .lag_seconds = 1.5,
                             .blocked_since = system_clock::time_point(seconds(1'700'000'030))});
  lane.partitions.push_back({.input = "in",
                             .topic = "raw.comments",
                             .partition = Partition(4),
                             .phase = PartitionPhase::restoring,
                             .committed = NextOffset(7)});
  status.lanes.push_back(lane);
  return status;
}

TEST(StatusDocument, HoldsEveryField) {
  ProcessStatus status = running();
  status.lanes[0].last_error = "turn aborted: \"fenced\"";
  status.lanes[0].last_error_at = system_clock::time_point(seconds(1'700'000'060));
  const Response response = status_document(status);
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(response.content_type, "application/json");
  EXPECT_EQ(response.body,
            R"({
  "deployment": "ingest-comments",
  "version": 2,
  "build": "0.1.0",
  "bootstrap": "kafka:9092",
  "started": "2023-11-14T22:13:20Z",
  "state": "running",
  "ready": true,
  "reasons": [],
  "dead_letters": {"count": 3, "reason": "json_syntax", )"
            R"("topic": "ingest-comments.dead_letters.v2", "records_in": 40, )"
            R"("first_at": "2023-11-14T22:13:30Z", "last_at": "2023-11-14T22:13:40Z"},
  "lanes": [
    {"index": 0, "state": "running", "last_error": "turn aborted: \"fenced\"", )"
            R"("last_error_at": "2023-11-14T22:14:20Z", "partitions": [
      {"input": "in", "topic": "raw.comments", "partition": 3, "phase": "running", )"
            R"("committed": 90, "end": 100, "lag_records": 10, "lag_seconds": 1.500, )"
            R"("blocked_since": "2023-11-14T22:13:50Z"},
      {"input": "in", "topic": "raw.comments", "partition": 4, "phase": "restoring", )"
            R"("committed": 7, "end": null, "lag_records": null, "lag_seconds": null, )"
            R"("blocked_since": null}]}]
}
)");
}

TEST(StatusDocument, IsWholeWithoutLanes) {
  EXPECT_THAT(status_document({}).body,
              AllOf(HasSubstr("\"state\": \"starting\""), HasSubstr("\"count\": 0"),
                    HasSubstr("\"lanes\": []\n}")));
}

TEST(StatusPage, IsOnePageWithoutScriptsOrExternalAssets) {
  const Response response = status_page(running());
  EXPECT_EQ(response.content_type, "text/html; charset=utf-8");
  EXPECT_THAT(
      response.body,
      AllOf(
          HasSubstr("<meta http-equiv=\"refresh\""),
          HasSubstr("ingest-comments v2: running, ready"), HasSubstr("<td>raw.comments</td>"),
          HasSubstr("Dead letters since then: 3 of 40 records, first "
                    "2023-11-14T22:13:30Z, last 2023-11-14T22:13:40Z, most often json_syntax"),
          HasSubstr("<td>running, blocked by an open transaction since 2023-11-14T22:13:50Z</td>"),
          HasSubstr("<td>restoring</td>"), HasSubstr("<td class=\"n\">10</td>"),
          HasSubstr("<td class=\"n\">?</td>"), Not(HasSubstr("<script")), Not(HasSubstr("://")),
          Not(HasSubstr("src="))));
}

TEST(StatusPage, ShowsForeignTextAsText) {
  ProcessStatus status = running();
  status.reasons = {"<script>alert('x')</script> & more"};
  status.lanes[0].last_error = "a < b";
  PartitionStatus& partition = status.lanes[0].partitions[0];
  for (std::string* text :
       {&status.deployment, &status.build, &status.lanes[0].state, &partition.input,
        &partition.topic, &status.dead_letters.reason, &status.dead_letters.topic}) {
    *text = "<script>";
  }
  EXPECT_THAT(status_page(status).body,
              AllOf(HasSubstr("&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt; &amp; more"),
                    HasSubstr("a &lt; b"), Not(HasSubstr("<script"))));
}

TEST(ReadyCheck, Is200WhenReadyAnd503WithReasonsOtherwise) {
  ProcessStatus status = running();
  EXPECT_EQ(ready_check(status).status, 200);
  status.ready = false;
  status.state = ProcessState::restoring;
  status.reasons = {"partition 3 of raw.comments restores", "say \"hi\""};
  EXPECT_EQ(ready_check(status).status, 503);
  EXPECT_EQ(ready_check(status).body,
            "{\"ready\": false, \"state\": \"restoring\", \"reasons\": "
            "[\"partition 3 of raw.comments restores\", \"say \\\"hi\\\"\"]}\n");
}

TEST(HealthCheck, DependsOnTheProcessAlone) {
  ProcessStatus status = running();
  status.ready = false;
  status.reasons = {"no broker answers"};
  EXPECT_EQ(health_check(status).status, 200);
  status.state = ProcessState::failed;
  EXPECT_EQ(health_check(status).status, 503);
}

TEST(Printable, KeepsEveryWellFormedSequence) {
  const std::string text = "a\n\t~ ä € 😀 \xEF\xBF\xBF \xF4\x8F\xBF\xBF \xC2\x80";
  EXPECT_EQ(printable(text), text);
}

TEST(Printable, ReplacesWhatIsNotUtf8AndControls) {
  const std::string r = "\xEF\xBF\xBD";
  EXPECT_EQ(printable(std::string_view("a\0b\x7F\r", 5)), "a" + r + "b" + r + r);
  EXPECT_EQ(printable("\xFF"), r);
  EXPECT_EQ(printable("\xC0\x80"), r + r);                  // overlong
  EXPECT_EQ(printable("\xED\xA0\x80"), r + r + r);          // surrogate
  EXPECT_EQ(printable("\xF4\x90\x80\x80"), r + r + r + r);  // above U+10FFFF
  EXPECT_EQ(printable("ab\xE2\x82"), "ab" + r + r);         // cut off
}

TEST(JsonString, IsJsonWhateverTheBytes) {
  EXPECT_EQ(json_string("a\"b\xff\x01\n"), "\"a\\\"b\uFFFD\uFFFD\\n\"");
}

}  // namespace
}  // namespace weir
