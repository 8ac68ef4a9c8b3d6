#include "http/status_page.h"

#include <iterator>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "http/escape.h"
#include "text/quantity.h"

namespace weir {
namespace {

constexpr const char* kJson = "application/json";

std::string_view name_of(PartitionPhase phase) {
  return phase == PartitionPhase::restoring ? "restoring" : "running";
}

std::string seconds(double value) {
  return fmt::format("{:.3f}", value);
}

// `print` of the value, or `absent`.
template <class T, class Print>
std::string print_or(const std::optional<T>& value, std::string_view absent, Print print) {
  return value ? print(*value) : std::string(absent);
}

std::string offset_text(NextOffset offset) {
  return fmt::to_string(offset.value());
}

std::string count_text(std::int64_t count) {
  return fmt::to_string(count);
}

std::string time_json(const std::optional<std::chrono::system_clock::time_point>& time) {
  return print_or(time, "null", [](auto at) { return json_string(rfc3339(at)); });
}

std::string json_of(const PartitionStatus& p) {
  return fmt::format(
      R"({{"input": {}, "topic": {}, "partition": {}, "phase": "{}", "committed": {}, "end": {}, )"
      R"("lag_records": {}, "lag_seconds": {}, "blocked_since": {}}})",
      json_string(p.input), json_string(p.topic), p.partition.value(), name_of(p.phase),
      p.committed.value(), print_or(p.end, "null", offset_text),
      print_or(p.lag_records, "null", count_text), print_or(p.lag_seconds, "null", seconds),
      time_json(p.blocked_since));
}

std::string json_of(const LaneStatus& lane) {
  std::vector<std::string> partitions;
  partitions.reserve(lane.partitions.size());
  for (const PartitionStatus& p : lane.partitions) {
    partitions.push_back("\n      " + json_of(p));
  }
  const std::string error = lane.last_error.empty() ? "null" : json_string(lane.last_error);
  return fmt::format(
      R"({{"index": {}, "state": {}, "last_error": {}, "last_error_at": {}, "partitions": [{}]}})",
      lane.index, json_string(lane.state), error, time_json(lane.last_error_at),
      fmt::join(partitions, ","));
}

constexpr std::string_view kStyle =
    ":root{color-scheme:light dark}body{font:15px/1.5 system-ui,sans-serif;margin:1.5rem}"
    "table{border-collapse:collapse}th,td{padding:.2rem .8rem .2rem 0;text-align:left}"
    "td.n,th.n{text-align:right;font-variant-numeric:tabular-nums}.scroll{overflow-x:auto}";

void append_lane(std::string& page, const LaneStatus& lane) {
  fmt::format_to(std::back_inserter(page), "<h2>Lane {}: {}</h2>\n", lane.index,
                 html_text(lane.state));
  if (!lane.last_error.empty()) {
    fmt::format_to(
        std::back_inserter(page), "<p>Last error{}: {}</p>\n",
        print_or(lane.last_error_at, "", [](auto time) { return " at " + rfc3339(time); }),
        html_text(lane.last_error));
  }
  if (lane.partitions.empty()) {
    return;
  }
  page +=
      "<div class=\"scroll\"><table>\n<tr><th>Input</th><th>Topic</th><th "
      "class=\"n\">Partition</th>"
      "<th>Phase</th><th class=\"n\">Committed</th><th class=\"n\">End</th>"
      "<th class=\"n\">Lag, records</th><th class=\"n\">Lag, seconds</th></tr>\n";
  for (const PartitionStatus& p : lane.partitions) {
    fmt::format_to(std::back_inserter(page),
                   "<tr><td>{}</td><td>{}</td><td class=\"n\">{}</td><td>{}{}</td>"
                   "<td class=\"n\">{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td>"
                   "<td class=\"n\">{}</td></tr>\n",
                   html_text(p.input), html_text(p.topic), p.partition.value(), name_of(p.phase),
                   print_or(p.blocked_since, "",
                            [](auto since) {
                              return ", blocked by an open transaction since " + rfc3339(since);
                            }),
                   p.committed.value(), print_or(p.end, "?", offset_text),
                   print_or(p.lag_records, "?", count_text), print_or(p.lag_seconds, "?", seconds));
  }
  page += "</table></div>\n";
}

}  // namespace

std::string_view name_of(ProcessState state) {
  switch (state) {
    case ProcessState::starting:
      return "starting";
    case ProcessState::waiting:
      return "waiting";
    case ProcessState::restoring:
      return "restoring";
    case ProcessState::running:
      return "running";
    case ProcessState::draining:
      return "draining";
    case ProcessState::failed:
      return "failed";
  }
  return "unknown";
}

Response status_document(const ProcessStatus& status) {
  std::vector<std::string> lanes;
  lanes.reserve(status.lanes.size());
  for (const LaneStatus& lane : status.lanes) {
    lanes.push_back("\n    " + json_of(lane));
  }
  std::string body = fmt::format(
      "{{\n  \"deployment\": {},\n  \"version\": {},\n  \"build\": {},\n"
      "  \"bootstrap\": {},\n  \"started\": {},\n"
      "  \"state\": \"{}\",\n  \"ready\": {},\n  \"reasons\": {},\n"
      "  \"dead_letters\": {{\"count\": {}, \"reason\": {}, \"topic\": {}, "
      "\"records_in\": {}, \"first_at\": {}, \"last_at\": {}}},\n"
      "  \"lanes\": [{}]\n}}\n",
      json_string(status.deployment), status.version, json_string(status.build),
      json_string(status.bootstrap), json_string(rfc3339(status.started)), name_of(status.state),
      status.ready, json_list(status.reasons), status.dead_letters.count,
      json_string(status.dead_letters.reason), json_string(status.dead_letters.topic),
      status.dead_letters.records_in, time_json(status.dead_letters.first_at),
      time_json(status.dead_letters.last_at), fmt::join(lanes, ","));
  return {.status = 200, .content_type = kJson, .body = std::move(body)};
}

Response status_page(const ProcessStatus& status) {
  const std::string name = html_text(status.deployment);
  std::string page = fmt::format(
      "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
      "<meta name=\"viewport\" content=\"width=device-width\">\n"
      "<meta http-equiv=\"refresh\" content=\"5\">\n<title>{} v{}: {}</title>\n"
      "<style>{}</style>\n</head>\n<body>\n<h1>{} v{}: {}{}</h1>\n<p>Build {}, started {}.</p>\n",
      name, status.version, name_of(status.state), kStyle, name, status.version,
      name_of(status.state), status.ready ? ", ready" : ", not ready", html_text(status.build),
      rfc3339(status.started));
  for (const std::string& reason : status.reasons) {
    page += "<p>Not ready: " + html_text(reason) + "</p>\n";
  }
  if (const DeadLetterStatus& dead = status.dead_letters; dead.count > 0) {
    const auto time = [](auto at) { return rfc3339(at); };
    page += fmt::format(
        "<p>Dead letters since then: {} of {} records, first {}, last {}, most often {}; in "
        "{}</p>\n",
        dead.count, dead.records_in, print_or(dead.first_at, "?", time),
        print_or(dead.last_at, "?", time), html_text(dead.reason), html_text(dead.topic));
  }
  for (const LaneStatus& lane : status.lanes) {
    append_lane(page, lane);
  }
  page +=
      "<p><a href=\"/metrics\">/metrics</a> · <a href=\"/status.json\">/status.json</a> · "
      "<a href=\"/-/ready\">/-/ready</a> · <a href=\"/-/healthy\">/-/healthy</a></p>\n"
      "</body>\n</html>\n";
  return {.status = 200, .content_type = "text/html; charset=utf-8", .body = std::move(page)};
}

Response health_check(const ProcessStatus& status) {
  return status.state == ProcessState::failed ? Response{.status = 503, .body = "failed\n"}
                                              : Response{.status = 200, .body = "ok\n"};
}

Response ready_check(const ProcessStatus& status) {
  return {.status = status.ready ? 200 : 503,
          .content_type = kJson,
          .body = fmt::format("{{\"ready\": {}, \"state\": \"{}\", \"reasons\": {}}}\n",
                              status.ready, name_of(status.state), json_list(status.reasons))};
}

}  // namespace weir
