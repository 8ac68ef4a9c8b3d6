// The mistakes that people make in a deployment's file, and the exact words that answer them.
#include <string>

#include <gtest/gtest.h>

#include "config/test_stages.h"

namespace weir::config {
namespace {

constexpr const char* kSpam =
    "stage: spam\n"
    "inputs:\n"
    "  comments: {dataset: comments, version: 1, dedup: off}\n"
    "outputs:\n"
    "  classified: {dataset: comments.classified}\n";

constexpr const char* kIngest =
    "stage: ingest\n"
    "inputs:\n"
    "  events:\n"
    "    topic: raw.comments\n"
    "    dedup: off\n"
    "outputs:\n"
    "  events: {dataset: comments}\n";

struct Mistake {
  const char* name;
  const char* file;     // kSpam or kIngest
  const char* instead;  // this text of it …
  const char* written;  // … is replaced by this; an empty `instead` appends
  const char* said;     // all problems, a line each
};

void PrintTo(const Mistake& mistake, std::ostream* out) {
  *out << mistake.name;
}

const Mistake kMistakes[] = {
    {"NoMistakeInSpam", kSpam, "", "", ""},
    {"NoMistakeInIngest", kIngest, "", "", ""},
    {"WindowThatIsOffWithoutAKey", kIngest, "dedup: off", "dedup: {window: off}",
     "f.yaml:5:12: inputs.events.dedup: a window that is off remembers nothing: say dedup: off, or "
     "a window\n"},
    {"MessageThatTheStageDoesNotWrite", kSpam, "comments.classified}",
     "comments.classified, message: comments.v1.Coment}",
     "f.yaml:5:55: outputs.classified.message: spam writes comments.v1.Comment: say that\n"},
    {"MessageOfBytes", kIngest, "{dataset: comments}", "{dataset: comments, message: a.B}",
     "f.yaml:7:40: outputs.events.message: values pass on untouched, without a message: remove "
     "this\n"},
    {"MessageOtherThanThePassedOne", kIngest, "dedup: off\noutputs:\n  events: {",
     "message: a.B\n    dedup: off\nproto: [.]\noutputs:\n  events: {message: a.C, ",
     "f.yaml:9:21: outputs.events.message: ingest writes a.B: say that\n"},
    {"RootOfAStageThatKeepsKeys", kIngest, "{dataset: comments}", "{dataset: comments, root: true}",
     "f.yaml:7:37: outputs.events.root: ingest writes this output under the keys of its input: "
     "remove root\n"},
    {"RootThatIsNoBoolean", kIngest, "{dataset: comments}", "{dataset: comments, root: yes}",
     "f.yaml:7:37: outputs.events.root: \"yes\" is neither true nor false\n"},
    {"MisspeltKey", kSpam, "", "lane: 2\n",
     "f.yaml:6:1: a deployment has no key \"lane\"; did you mean \"lanes\"?\n"},
    {"MisspeltOutput", kSpam, "classified:", "clasified:",
     "f.yaml:5:3: spam has no output \"clasified\"; did you mean \"classified\"?\n"},
    {"MisspeltOption", kSpam, "", "options: {treshold: 0.4}\n",
     "f.yaml:6:11: spam has no option \"treshold\"; did you mean \"threshold\"?\n"},
    {"MisspeltKeyInside", kSpam, "", "turn: {interval: 1s}\n",
     "f.yaml:6:8: turn has no key \"interval\"; did you mean \"interval_max\"?\n"},
    {"KeyFromNowhere", kSpam, "", "turn: {colour: red}\n",
     "f.yaml:6:8: turn has no key \"colour\"; there is interval_max, records_max, bytes_max\n"},
    {"OptionOutOfRange", kSpam, "", "options: {threshold: 1.5}\n",
     "f.yaml:6:22: options.threshold: 1.5 is outside 0 … 1\n"},
    {"OptionOfAnotherType", kSpam, "", "options:\n  batch_records_max: many\n",
     "f.yaml:7:22: options.batch_records_max: \"many\" is not a whole number\n"},
    {"OctalLookingOption", kSpam, "", "options: {batch_records_max: 010}\n",
     "f.yaml:6:30: options.batch_records_max: \"010\" begins with a zero: octal or decimal?\n"},
    {"NorwayBoolean", kSpam, "", "options: {is_strict: no}\n",
     "f.yaml:6:22: options.is_strict: \"no\" is neither true nor false\n"},
    {"DurationWithoutUnit", kSpam, "", "turn: {interval_max: 100}\n",
     "f.yaml:6:22: turn.interval_max: \"100\" has no unit: add ms, s, m, h or d\n"},
    {"DurationInWords", kSpam, "", "turn: {interval_max: 100 msec}\n",
     "f.yaml:6:22: turn.interval_max: \"100 msec\" is no duration: write a whole number and ms, s, "
     "m, h or d, without a space\n"},
    {"FractionalDuration", kSpam, "", "turn: {interval_max: 0.5s}\n",
     "f.yaml:6:22: turn.interval_max: \"0.5s\" is no duration: write a whole number and ms, s, m, "
     "h or d, without a space\n"},
    {"DurationOutOfRange", kSpam, "", "turn: {interval_max: 5m}\n",
     "f.yaml:6:22: turn.interval_max: \"5m\" is outside 1ms … 30s\n"},
    {"DecimalSize", kSpam, "", "turn: {bytes_max: 64MB}\n",
     "f.yaml:6:19: turn.bytes_max: \"64MB\" has the unit \"MB\", not B, KiB, MiB or GiB\n"},
    {"ZeroLanes", kSpam, "", "lanes: 0\n", "f.yaml:6:8: lanes: \"0\" is outside 1 … 256\n"},
    {"OctalLanes", kSpam, "", "lanes: 010\n",
     "f.yaml:6:8: lanes: \"010\" begins with a zero: octal or decimal?\n"},
    {"DedupForgotten", kSpam, ", dedup: off", "",
     "f.yaml:3:13: inputs.comments.dedup is missing: say dedup: off, or for how long, e.g. dedup: "
     "{window: 24h}\n"},
    {"DedupOn", kSpam, "dedup: off", "dedup: on",
     "f.yaml:3:52: inputs.comments.dedup: \"on\" is neither off nor a map of keys\n"},
    {"DedupWithoutWindow", kIngest, "dedup: off", "dedup: {key: [comment_id]}",
     "f.yaml:5:12: inputs.events.dedup.window is missing: how long is a key remembered? e.g. "
     "window: 24h\n"},
    {"DedupWithoutKey", kIngest, "dedup: off", "dedup: {window: 24h}",
     "f.yaml:5:12: inputs.events.dedup: ingest doesn't say in its code what makes two records the "
     "same: add key: [FIELD, …], or say dedup: off\n"},
    {"KeyIsNoList", kIngest, "dedup: off", "dedup: {key: comment_id, window: 24h}",
     "f.yaml:5:18: inputs.events.dedup.key: a list belongs here, not text: write [ ] around it\n"},
    {"OutputNotBound", kSpam, "outputs:\n  classified: {dataset: comments.classified}\n", "",
     "f.yaml:1:1: outputs.classified is missing: bind it: {dataset: NAME}\n"},
    {"InputNotBound", kIngest, "  events:\n    topic: raw.comments\n    dedup: off\n", "  {}\n",
     "f.yaml:3:3: inputs.events is missing: say what it reads: topic, or dataset and version\n"},
    {"DatasetWithItsVersion", kSpam, "dataset: comments.classified",
     "dataset: comments.classified.v1",
     "f.yaml:5:25: outputs.classified.dataset: \"comments.classified.v1\" is the topic; the "
     "dataset is \"comments.classified\"\n"},
    {"DatasetInCapitals", kSpam, "dataset: comments.classified", "dataset: Comments",
     "f.yaml:5:25: outputs.classified.dataset: \"Comments\" is no name: lower-case words of "
     "letters, digits and _, joined by . or -, such as comments.classified\n"},
    {"DatasetWithoutVersion", kSpam, ", version: 1", "",
     "f.yaml:3:13: inputs.comments: which version of \"comments\"? add version: 1\n"},
    {"TopicWithVersion", kIngest, "topic: raw.comments", "topic: raw.comments\n    version: 1",
     "f.yaml:5:14: inputs.events.version: a topic has no version: remove it, or read a dataset\n"},
    {"TopicAndDataset", kSpam, "dataset: comments,", "dataset: comments, topic: raw.comments,",
     "f.yaml:3:13: inputs.comments: give topic or dataset, not more than one of them\n"},
    {"NeitherTopicNorDataset", kIngest, "    topic: raw.comments\n", "",
     "f.yaml:4:5: inputs.events: give topic or dataset\n"},
    {"TopicWithASlash", kIngest, "raw.comments", "raw/comments",
     "f.yaml:4:12: inputs.events.topic: \"raw/comments\" can't be a topic: Kafka takes at most 249 "
     "letters, digits and the characters . _ -\n"},
    {"ReadsWhatItWrites", kSpam, "dataset: comments.classified", "dataset: comments",
     "f.yaml:5:15: outputs.classified: comments.v1 is bound by inputs.comments already\n"},
    {"MessageOfACompiledInput", kSpam, "dedup: off", "message: comments.v1.Comment, dedup: off",
     "f.yaml:3:54: inputs.comments.message: spam reads comments.v1.Comment by its code: remove "
     "message\n"},
    {"BytesWithAMessage", kIngest, "dedup: off",
     "dedup: off\n    format: bytes\n    message: comments.v1.Comment\nproto: [.]",
     "f.yaml:6:13: inputs.events.format: bytes have no message, but comments.v1.Comment is one: "
     "json or protobuf\n"},
    {"CleaningWithoutAMessage", kIngest, "dedup: off", "dedup: off\n    rename: {class: label}",
     "f.yaml:6:13: inputs.events.rename: values pass on untouched without a message: add message, "
     "or remove this\n"},
    {"ZonelessWithoutZone", kIngest, "dedup: off",
     "dedup: off\n    message: comments.v1.Comment\n    event_time: {from: date, to: posted_at, "
     "format: zoneless}\nproto: [.]",
     "f.yaml:7:17: inputs.events.event_time: which zone are these times in? add zone: UTC\n"},
    {"UnknownTimeFormat", kIngest, "dedup: off",
     "dedup: off\n    message: comments.v1.Comment\n    event_time: {from: date, to: posted_at, "
     "format: iso8601}\nproto: [.]",
     "f.yaml:7:53: inputs.events.event_time.format: \"iso8601\" is not rfc3339, epoch_s, epoch_ms, "
     "epoch_us or zoneless\n"},
    {"DeeperThanMessagesAre", kIngest, "dedup: off", "dedup: off\n    depth_max: 101",
     "f.yaml:6:16: inputs.events.depth_max: \"101\" is outside 1 … 100\n"},
    {"NoSuchProtoFolder", kIngest, "dedup: off",
     "dedup: off\n    message: comments.v1.Comment\nproto: [no/such]",
     "f.yaml:7:8: proto: there is no folder \"no/such\" (paths are relative to this file's "
     "folder)\n"},
    {"AnotherStagesFile", kSpam, "stage: spam", "stage: ingest",
     "f.yaml:1:8: stage: this file is for ingest; this program is spam\n"},
    {"NoStage", kSpam, "stage: spam\n", "",
     "f.yaml:1:1: stage is missing: name the program, e.g. stage: ingest\n"},
    {"StartAtADate", kIngest, "dedup: off", "dedup: off\n    start: 2026-01-31",
     "f.yaml:6:12: inputs.events.start: \"2026-01-31\" is not earliest, latest or a time such as "
     "2026-01-31T00:00:00Z\n"},
    {"UnsetVariable", kIngest, "raw.comments", "${TOPIC}",
     "f.yaml:4:12: inputs.events.topic: the environment doesn't set TOPIC (a default is written "
     "${TOPIC:-default})\n"},
    {"VariableWithReason", kIngest, "raw.comments", "${TOPIC:?where are the comments}",
     "f.yaml:4:12: inputs.events.topic: the environment must set TOPIC: where are the comments\n"},
    {"ListenWithoutPort", kSpam, "", "http: {listen: 0.0.0.0}\n",
     "f.yaml:6:16: http.listen: \"0.0.0.0\" is not HOST:PORT, such as 127.0.0.1:9464 (port 0: any "
     "free one)\n"},
    {"HttpFalse", kSpam, "", "http: false\n",
     "f.yaml:6:7: http: \"false\" is neither off nor a map of keys\n"},
    {"UnknownKafkaProperty", kSpam, "", "kafka: {acks.all: true}\n",
     "f.yaml:6:19: kafka.acks.all: No such configuration property\n"},
    {"KafkaAsAddress", kSpam, "", "kafka: 127.0.0.1:9092\n",
     "f.yaml:6:8: kafka: a map of keys belongs here, not text\n"},
    {"ListWhereTextBelongs", kSpam, "", "state: [a]\n",
     "f.yaml:6:8: state: text belongs here, not a list\n"},
    {"ValueForgotten", kSpam, "", "lanes:\n",
     "f.yaml:6:1: lanes: has no value: write one, or leave the key out\n"},
    {"GivenTwice", kSpam, "", "stage: spam\n",
     "f.yaml:6:1: \"stage\" is given twice; the first is in line 1\n"},
    {"Alias", kSpam, "", "state: &s state\nlog: *s\n",
     "f.yaml:6:8: an anchor (&name) is refused: write the value out\n"
     "f.yaml:7:6: an alias (*name) is refused: write the value out\n"},
    {"MergeKey", kSpam, "", "turn: {<<: {}}\n",
     "f.yaml:6:8: a merge key (<<) is refused: write the keys out\n"},
    {"Tag", kSpam, "", "instance: !!str 0\n",
     "f.yaml:6:11: a tag (!name) is refused: values are text, lists and maps\n"},
    {"TabInIndentation", kIngest, "    topic", "\ttopic",
     "f.yaml:4:2: a tab in the indentation: YAML indents with spaces\n"},
    {"WrongIndentation", kIngest, "    dedup", "   dedup",
     "f.yaml:5:4: this line is indented differently from the ones above it, or is not `key: "
     "value`\n"},
    {"NoSpaceAfterColon", kIngest, "topic: raw", "topic:raw",
     "f.yaml:5:10: a space is missing after the colon in line 4\n"},
    {"SecondColon", kIngest, "topic: raw.comments", "topic: raw: comments",
     "f.yaml:4:15: a second colon in this line: quote the value, or indent what belongs below\n"},
    {"OpenQuote", kSpam, "", "state: \"state\n", "f.yaml:6:8: a quote is opened and not closed\n"},
    {"OpenBracket", kIngest, "dedup: off", "dedup: {window: 24h",
     "f.yaml:6:8: this { … } doesn't end, or lacks a comma\n"},
    {"AtSign", kSpam, "", "state: @state\n",
     "f.yaml:6:8: a value can't begin with this character: quote it\n"},
    {"TwoDocuments", kSpam, "", "---\nlanes: 2\n",
     "f.yaml:6:1: a second document begins here: one file, one document\n"},
    {"SeveralAtOnce", kSpam, "",
     "lanes: 0\nturn: {interval_max: 1, records_max: -1}\nlog: {level: verbose}\n",
     "f.yaml:6:8: lanes: \"0\" is outside 1 … 256\n"
     "f.yaml:7:22: turn.interval_max: \"1\" has no unit: add ms, s, m, h or d\n"
     "f.yaml:7:38: turn.records_max: \"-1\" is outside 1 … 10000000\n"
     "f.yaml:8:14: log.level: \"verbose\" is not debug, info, warning or error\n"},
};

std::string answer_to(const Mistake& mistake) {
  std::string text = mistake.file;
  const std::string instead = mistake.instead;
  if (instead.empty()) {
    text += mistake.written;
  } else {
    text.replace(text.find(instead), instead.size(), mistake.written);
  }
  const StageSpec spec = mistake.file == kSpam ? testing::spam_spec() : testing::ingest_spec();
  LoadOptions options;
  options.spec = &spec;
  options.kafka_property = [](std::string_view name, std::string_view) {
    return name == "bootstrap.servers" || name.substr(0, 5) == "sasl."
               ? Status::ok()
               : Status::stop(ExitCode::config, "No such configuration property");
  };
  std::string said;
  for (const Problem& problem : load_text(text, "f.yaml", options).problems) {
    said += to_string(problem) + "\n";
  }
  return said;
}

class Mistakes : public ::testing::TestWithParam<Mistake> {};

TEST_P(Mistakes, AreAnsweredInTheseWords) {
  EXPECT_EQ(answer_to(GetParam()), GetParam().said);
}

INSTANTIATE_TEST_SUITE_P(Table, Mistakes, ::testing::ValuesIn(kMistakes),
                         [](const auto& row) { return std::string(row.param.name); });

}  // namespace
}  // namespace weir::config
