#include "tool/lines.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <zlib.h>

namespace weir {
namespace {

using testing::Each;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::SizeIs;

namespace fs = std::filesystem;

class LinesTest : public testing::Test {
 protected:
  LinesTest() { fs::create_directories(folder_); }

  void TearDown() override { fs::remove_all(folder_); }

  std::string path(const std::string& name = "log") const { return folder_ / name; }

  void append(const std::string& text) const { std::ofstream(path(), std::ios::app) << text; }

  // log to log.1, which becomes log.2, and so on.
  void rotate() const {
    for (int i = 9; i > 0; --i) {
      if (const std::string old = path("log." + std::to_string(i)); fs::exists(old)) {
        fs::rename(old, path("log." + std::to_string(i + 1)));
      }
    }
    fs::rename(path(), path("log.1"));
  }

  void compress(const std::string& text, const char* mode = "wb",
                const std::string& name = "log.gz") const {
    const gzFile file = gzopen(path(name).c_str(), mode);
    gzwrite(file, text.data(), static_cast<unsigned>(text.size()));
    gzclose(file);
  }

  static std::unique_ptr<LineReader> open(LineReader::Settings settings) {
    Result<std::unique_ptr<LineReader>> opened = LineReader::open(std::move(settings));
    EXPECT_TRUE(opened.is_ok()) << opened.status().message();
    return std::move(opened).value();
  }

  std::unique_ptr<LineReader> follow(std::optional<LinePlace> from = {}) const {
    return open({path(), true, from});
  }

  // Where a follower stands that was killed behind its first line.
  LinePlace follow_one_line() const {
    const auto lines = follow();
    EXPECT_TRUE(lines->next().is_ok());
    return lines->place();
  }

  // `warnings` outlives it.
  std::unique_ptr<LineReader> follow_telling(std::vector<std::string>& warnings) const {
    return open({path(), true, {}, [&](const std::string& text) { warnings.push_back(text); }});
  }

  // All that is there now.
  static std::vector<std::string> read(LineReader& lines) { return read_for(lines, 1); }

  // What comes until nothing came so often: it waits for compressors to end.
  static std::vector<std::string> read_for(LineReader& lines, int looks_max = 25) {
    std::vector<std::string> all;
    for (int looks = 0; looks < looks_max;) {
      const auto line = lines.next();
      EXPECT_TRUE(line.is_ok()) << line.status().message();
      if (!line.is_ok()) {
        return all;
      }
      looks = line.value() ? 0 : looks + 1;
      if (line.value()) {
        all.emplace_back(*line.value());
      }
    }
    return all;
  }

 private:
  const fs::path folder_ =
      fs::path(testing::TempDir()) /
      (std::string("lines-") + testing::UnitTest::GetInstance()->current_test_info()->name() +
       std::to_string(::getpid()));
};

TEST_F(LinesTest, EachLineIsThereAsItIs) {
  append("a\n\n  b \r\nlast");
  const auto lines = open({path(), false, {}});
  EXPECT_THAT(read(*lines), ElementsAre("a", "", "  b \r", "last"));
  EXPECT_TRUE(lines->has_ended());
}

TEST_F(LinesTest, LinesAcrossChunksAreWhole) {
  const std::string wide(700'000, 'x');
  append(wide + "\n" + wide + "y\n");
  EXPECT_THAT(read(*open({path(), false, {}})), ElementsAre(wide, wide + "y"));
}

TEST_F(LinesTest, ALineThatIsTooLongIsSkippedAndCountedAndNamed) {
  const std::string wide(LineReader::kLineBytesMax + 1, 'x');
  append("a\n" + wide + "\nb\n" + wide);  // the last one without a newline
  std::vector<std::string> warnings;
  const auto lines =
      open({path(), false, {}, [&](const std::string& text) { warnings.push_back(text); }});
  EXPECT_THAT(read(*lines), ElementsAre("a", "b"));
  EXPECT_EQ(lines->too_long(), 2);
  EXPECT_THAT(warnings, ElementsAre(HasSubstr("ends at byte 33554435 is longer than 32 MiB"),
                                    HasSubstr("ends at byte 67108871 is longer than 32 MiB")));
}

TEST_F(LinesTest, ACompressedFileIsReadWholeInAllItsMembers) {
  compress("a\nb\n");
  compress("c\n", "ab");
  EXPECT_THAT(read(*open({path("log.gz"), false, {}})), ElementsAre("a", "b", "c"));
}

TEST_F(LinesTest, ACompressedFileThatIsCutShortIsSaid) {
  std::string text;
  for (int i = 0; i < 100'000; ++i) {
    text += std::to_string(i * 7919) + "\n";
  }
  compress(text);
  fs::resize_file(path("log.gz"), fs::file_size(path("log.gz")) / 2);
  const auto lines = open({path("log.gz"), false, {}});
  Status failure;
  while (failure.is_ok()) {
    const auto line = lines->next();
    ASSERT_FALSE(line.is_ok() && !line.value()) << "ended as if it were whole";
    failure = line.is_ok() ? Status::ok() : line.status();
  }
  EXPECT_EQ(failure.exit_code(), ExitCode::bad_input);
  EXPECT_THAT(failure.message(), HasSubstr("cut short"));
}

TEST_F(LinesTest, AMissingFileIsNamed) {
  const auto opened = LineReader::open({path("nowhere"), false, {}});
  EXPECT_EQ(opened.status().exit_code(), ExitCode::disk);
  EXPECT_THAT(opened.status().message(), HasSubstr(path("nowhere")));
}

TEST_F(LinesTest, ReadingGoesOnBehindAPlace) {
  append("a\nb\nc\n");
  auto lines = open({path(), false, {}});
  ASSERT_TRUE(lines->next().is_ok());
  const LinePlace place = lines->place();
  lines = open({path(), false, place});
  EXPECT_TRUE(lines->has_resumed());
  EXPECT_THAT(read(*lines), ElementsAre("b", "c"));
}

TEST_F(LinesTest, ReadingGoesOnBehindAPlaceOfACompressedFile) {
  compress("a\nb\nc\n");
  auto lines = open({path("log.gz"), false, {}});
  ASSERT_TRUE(lines->next().is_ok());
  lines = open({path("log.gz"), false, lines->place()});
  EXPECT_THAT(read(*lines), ElementsAre("b", "c"));
}

TEST_F(LinesTest, AnotherFileUnderTheSameInodeIsReadFromItsBeginning) {
  append("a\nb\n");
  auto lines = open({path(), false, {}});
  ASSERT_TRUE(lines->next().is_ok());
  const LinePlace place = lines->place();
  std::ofstream(path(), std::ios::trunc) << "x\ny\nz\n";
  lines = open({path(), false, place});
  EXPECT_FALSE(lines->has_resumed());
  EXPECT_THAT(read(*lines), ElementsAre("x", "y", "z"));
}

TEST_F(LinesTest, AFileThatEndsBeforeThePlaceIsReadFromItsBeginning) {
  const std::string wide(2'000, 'x');
  append(wide + "\nb\n");
  auto lines = open({path(), false, {}});
  ASSERT_TRUE(lines->next().is_ok());
  const LinePlace place = lines->place();
  fs::resize_file(path(), wide.size());
  lines = open({path(), false, place});
  EXPECT_FALSE(lines->has_resumed());
  EXPECT_THAT(read(*lines), ElementsAre(wide));
}

TEST_F(LinesTest, AFollowedLineWaitsForItsEnd) {
  append("a\nb");
  const auto lines = follow();
  EXPECT_THAT(read(*lines), ElementsAre("a"));
  append("b\nc\n");
  EXPECT_THAT(read(*lines), ElementsAre("bb", "c"));
  EXPECT_FALSE(lines->has_ended());
}

TEST_F(LinesTest, ARotatedFileIsReadToItsEndBeforeTheNewOne) {
  append("a\n");
  const auto lines = follow();
  EXPECT_THAT(read(*lines), ElementsAre("a"));
  append("b\nunfinished");
  fs::rename(path(), path("log.1"));
  append("c\n");
  EXPECT_THAT(read(*lines), ElementsAre("b", "unfinished", "c"));
}

TEST_F(LinesTest, TheOldFileIsFollowedWhileTheNewOneIsEmpty) {
  append("a\n");
  const auto lines = follow();
  fs::rename(path(), path("log.1"));
  append("");
  EXPECT_THAT(read(*lines), ElementsAre("a"));
  std::ofstream(path("log.1"), std::ios::app) << "b\n";
  EXPECT_THAT(read(*lines), ElementsAre("b"));
  append("c\n");
  EXPECT_THAT(read(*lines), ElementsAre("c"));
}

TEST_F(LinesTest, ATruncatedFileIsReadFromItsBeginning) {
  append("a\nb\nc\n");
  const auto lines = follow();
  EXPECT_THAT(read(*lines), ElementsAre("a", "b", "c"));
  std::ofstream(path(), std::ios::trunc) << "d\n";
  EXPECT_THAT(read(*lines), ElementsAre("d"));
}

TEST_F(LinesTest, ATruncatedFileThatOutgrewThePlaceIsReadFromItsBeginning) {
  append("a\nb\n");
  const auto lines = follow();
  EXPECT_THAT(read(*lines), ElementsAre("a", "b"));
  std::ofstream(path(), std::ios::trunc) << "c\nd\ne\n";
  EXPECT_THAT(read(*lines), ElementsAre("c", "d", "e"));
  std::ofstream(path(), std::ios::trunc) << "f\ng\nh\n";  // as long as before
  EXPECT_THAT(read(*lines), ElementsAre("f", "g", "h"));
}

TEST_F(LinesTest, HalfALineOfATruncatedFileIsNotJoinedWithTheNewOnes) {
  append("a\nhal");
  const auto lines = follow();
  EXPECT_THAT(read(*lines), ElementsAre("a"));
  std::ofstream(path(), std::ios::trunc) << "b\nc\nd\ne\n";
  EXPECT_THAT(read(*lines), ElementsAre("b", "c", "d", "e"));
}

TEST_F(LinesTest, ATruncationShowsWhereTheHeadIsAsBefore) {
  const std::string head(2'000, 'h');
  append(head + "\na\n");
  const auto lines = follow();
  EXPECT_THAT(read(*lines), ElementsAre(head, "a"));
  std::ofstream(path(), std::ios::trunc) << head + "\nb\nc\n";
  EXPECT_THAT(read(*lines), ElementsAre(head, "b", "c"));
}

TEST_F(LinesTest, ATruncationShowsWhereWhatWasReadLastIsAsBefore) {
  const std::string line(300, 'x');
  append("a\n" + line + "\n");
  const auto lines = follow();
  EXPECT_THAT(read(*lines), ElementsAre("a", line));
  std::ofstream(path(), std::ios::trunc) << "b\n" + line + "\n" + "c\n";
  EXPECT_THAT(read(*lines), ElementsAre("b", line, "c"));
}

TEST_F(LinesTest, AWriterThatKeepsItsPlaceInATruncatedFileIsFollowed) {
  append("a\n");
  const auto lines = follow();
  EXPECT_THAT(read(*lines), ElementsAre("a"));
  fs::resize_file(path(), 0);
  fs::resize_file(path(), 2);  // the hole before the writer's place
  append("b\n");
  EXPECT_THAT(read(*lines), ElementsAre("b"));
  append("c\n");
  EXPECT_THAT(read(*lines), ElementsAre("c"));
  for (const std::string next : {"d", "e"}) {
    rotate();
    append(next + "\n");
    EXPECT_THAT(read(*lines), ElementsAre(next));
  }
}

TEST_F(LinesTest, WhatIsAppendedToALastLineThatWasSentIsReadOn) {
  append("a\n");
  const auto lines = follow();
  EXPECT_THAT(read(*lines), ElementsAre("a"));
  append("unfinished");
  fs::rename(path(), path("log.1"));
  append("c\n");
  auto line = lines->next();
  ASSERT_TRUE(line.is_ok() && line.value());
  EXPECT_EQ(line.value(), "unfinished");
  std::ofstream(path("log.1"), std::ios::app) << "b\n";
  EXPECT_THAT(read(*lines), ElementsAre("b", "c"));
}

TEST_F(LinesTest, ARotationWhileNobodyReadIsCaughtUpWith) {
  append("a\nb\n");
  const LinePlace place = follow_one_line();
  fs::rename(path(), path("log.1"));
  append("c\n");
  const auto lines = follow(place);
  EXPECT_TRUE(lines->has_resumed());
  EXPECT_THAT(read(*lines), ElementsAre("b", "c"));
}

TEST_F(LinesTest, FilesThatWereRotatedWhileItWasBehindAreReadInOrder) {
  append("a\n");
  const auto lines = follow();
  EXPECT_THAT(read(*lines), ElementsAre("a"));
  append("b\n");
  rotate();
  append("c\nunfinished");
  rotate();
  append("d\n");
  rotate();
  append("e\n");
  EXPECT_THAT(read(*lines), ElementsAre("b", "c", "unfinished", "d", "e"));
  append("f\n");
  EXPECT_THAT(read(*lines), ElementsAre("f"));
}

// Nothing but that the first was read before tells which of the two came last.
TEST_F(LinesTest, FilesThatAreCountedUpwardsAreReadOnce) {
  append("a\n");
  const auto lines = follow();
  EXPECT_THAT(read(*lines), ElementsAre("a"));
  for (const std::string number : {"1", "2", "3"}) {
    fs::rename(path(), path("log." + number));
    append("behind " + number + "\n");
    EXPECT_THAT(read(*lines), ElementsAre("behind " + number));
  }
}

// Its lines went into the other one's topic.
TEST_F(LinesTest, AnotherLogThatDiffersInANumberIsLeftAlone) {
  const std::string mine = path("w-1.log");
  const auto write = [](const std::string& file, const std::string& line) {
    std::ofstream(file, std::ios::app) << line << "\n";
  };
  write(mine, "a");
  const auto lines = open({mine, true, {}});
  EXPECT_THAT(read(*lines), ElementsAre("a"));
  fs::rename(mine, mine + ".1");
  write(path("w-2.log.1"), "of another");
  write(mine, "b");
  EXPECT_THAT(read(*lines), ElementsAre("b"));
}

// Of several writers, say. They were left out without a word.
TEST_F(LinesTest, LinesThatComeLateIntoARotatedFileAreWarnedOfOnce) {
  append("a\n");
  std::vector<std::string> warnings;
  const auto lines = follow_telling(warnings);
  EXPECT_THAT(read(*lines), ElementsAre("a"));
  rotate();
  append("b\n");
  EXPECT_THAT(read(*lines), ElementsAre("b"));
  EXPECT_TRUE(warnings.empty());
  for (const std::string late : {"late\n", "later\n"}) {
    std::ofstream(path("log.1"), std::ios::app) << late;
    append("c\n");
    EXPECT_THAT(read(*lines), ElementsAre("c"));
  }
  EXPECT_THAT(warnings, ElementsAre(HasSubstr("to send them: tail -c +3 " + path("log.1") + " |")));
  rotate();
  append("d\n");
  EXPECT_THAT(read(*lines), ElementsAre("d"));
}

// The next file had got the inode of an empty one that was read, and was left out.
TEST_F(LinesTest, AnEmptyFileThatWasReadIsNoOther) {
  append("");
  const auto lines = follow();
  EXPECT_TRUE(read(*lines).empty());
  rotate();
  append("a\n");
  EXPECT_THAT(read(*lines), ElementsAre("a"));
  rotate();
  append("b\n");
  EXPECT_THAT(read(*lines), ElementsAre("b"));
  fs::remove(path("log.2"));
  rotate();
  append("c\n");
  rotate();
  append("d\n");
  EXPECT_THAT(read(*lines), ElementsAre("c", "d"));
}

TEST_F(LinesTest, FilesThatAreShiftedDownAndCountedUpwardsAreReadOnce) {
  for (const std::string number : {"1", "2", "3"}) {
    append("old " + number + "\n");
    fs::rename(path(), path("log." + number));
    const auto age = std::chrono::hours(4 - std::stoi(number));
    fs::last_write_time(path("log." + number), fs::file_time_type::clock::now() - age);
  }
  append("a\n");
  const auto lines = follow();
  EXPECT_THAT(read(*lines), ElementsAre("a"));
  for (const std::string next : {"b", "c", "d", "e", "f"}) {
    fs::remove(path("log.1"));
    fs::rename(path("log.2"), path("log.1"));
    fs::rename(path("log.3"), path("log.2"));
    fs::rename(path(), path("log.3"));
    append(next + "\n");
    EXPECT_THAT(read(*lines), ElementsAre(next));
  }
}

// It was taken for the next file, for ever.
TEST_F(LinesTest, AHardLinkIsTheSameFile) {
  append("a\n");
  fs::create_hard_link(path(), path("log.9"));
  const auto lines = follow();
  EXPECT_THAT(read(*lines), ElementsAre("a"));
  rotate();
  append("b\n");
  EXPECT_THAT(read(*lines), ElementsAre("b"));
}

TEST_F(LinesTest, BehindAFileThatGotANameWithoutANumberTheOthersAreRead) {
  append("a\n");
  std::vector<std::string> warnings;
  const auto lines = follow_telling(warnings);
  EXPECT_THAT(read(*lines), ElementsAre("a"));
  fs::rename(path(), path("log.old"));
  append("b\n");
  fs::rename(path(), path("log.1"));
  append("c\n");
  EXPECT_THAT(read(*lines), ElementsAre("b", "c"));
  EXPECT_THAT(warnings, ElementsAre(HasSubstr("is log.old now, no rotated name of")));
}

// A file was left out, where a name told another order than the times.
TEST_F(LinesTest, DatesInAnyOrderOfTheirPartsAreFollowed) {
  append("a\n");
  const LinePlace place = follow_one_line();
  for (const std::string name : {"log-30112026", "log-01122026", "log.2026-12-02.1"}) {
    fs::rename(path(), path(name));
    append("behind " + name + "\n");
  }
  EXPECT_THAT(read(*follow(place)),
              ElementsAre("behind log-30112026", "behind log-01122026", "behind log.2026-12-02.1"));
}

// What was read was read again once it was compressed, or ended it with 65.
TEST_F(LinesTest, WhatWasReadIsKnownAgainOnceItIsCompressedWithATimeOfItsOwnOrWithout) {
  append("a\n");
  const auto lines = follow();
  EXPECT_THAT(read(*lines), ElementsAre("a"));
  for (const std::string number : {"1", "2", "3", "4"}) {
    const std::string old = number == "1" ? "a" : "behind " + std::to_string(std::stoi(number) - 1);
    fs::rename(path(), path("log." + number));
    const auto time = fs::last_write_time(path("log." + number));
    append("behind " + number + "\n");
    EXPECT_THAT(read(*lines), ElementsAre("behind " + number));
    compress(old + "\n", "wb", "log." + number + ".gz");
    fs::remove(path("log." + number));
    if (number == "2") {
      fs::last_write_time(path("log.2.gz"), time);
    }
  }
}

TEST_F(LinesTest, OlderFilesThatAreTouchedAreNotRead) {
  append("old\n");
  rotate();
  append("a\n");
  const auto lines = follow();
  EXPECT_THAT(read(*lines), ElementsAre("a"));
  rotate();
  append("b\n");
  EXPECT_THAT(read(*lines), ElementsAre("b"));
  compress("old\n", "wb", "log.2.gz");
  fs::last_write_time(path("log.2.gz"), fs::last_write_time(path("log.2")));
  fs::remove(path("log.2"));
  rotate();
  append("c\n");
  EXPECT_THAT(read(*lines), ElementsAre("c"));
}

TEST_F(LinesTest, AFileThatIsWrittenByOneThatDidNotMoveOnHidesNone) {
  append("a\nb\n");
  const LinePlace place = follow_one_line();
  rotate();
  append("c\n");
  rotate();
  append("d\n");
  std::ofstream(path("log.2"), std::ios::app) << "late\n";
  fs::last_write_time(path("log.2"), fs::last_write_time(path()) + std::chrono::hours(1));
  const auto lines = follow(place);
  ASSERT_TRUE(lines->next().is_ok());
  ASSERT_TRUE(lines->next().is_ok());
  EXPECT_THAT(read(*follow(lines->place())), ElementsAre("c", "d"));
  EXPECT_THAT(read(*lines), ElementsAre("c", "d"));
}

TEST_F(LinesTest, RotationsWhileNobodyReadAreCaughtUpWith) {
  append("a\nb\n");
  const LinePlace place = follow_one_line();
  rotate();
  append("c\n");
  rotate();
  append("d\n");
  const auto lines = follow(place);
  EXPECT_TRUE(lines->has_resumed());
  EXPECT_THAT(read(*lines), ElementsAre("b", "c", "d"));
}

TEST_F(LinesTest, RotatedFilesThatWereCompressedAreReadAndResumedIn) {
  append("a\nb\n");
  auto lines = follow();
  ASSERT_TRUE(lines->next().is_ok());
  lines = follow([&] {
    const LinePlace place = lines->place();
    lines.reset();
    fs::remove(path());
    compress("a\nb\n", "wb", "log.3.gz");
    compress("c\nd\n", "wb", "log.2.gz");
    fs::last_write_time(path("log.2.gz"),
                        fs::last_write_time(path("log.3.gz")) + std::chrono::hours(1));
    std::ofstream(path("log.1")) << "e\n";
    fs::last_write_time(path("log.1"),
                        fs::last_write_time(path("log.3.gz")) + std::chrono::hours(2));
    append("f\n");
    return place;
  }());
  EXPECT_TRUE(lines->has_resumed());
  Result<std::optional<std::string_view>> line = lines->next();
  ASSERT_TRUE(line.is_ok());
  EXPECT_EQ(line.value(), "b");
  for (line = lines->next(); line.is_ok() && !line.value(); line = lines->next()) {
  }
  ASSERT_TRUE(line.is_ok());
  EXPECT_EQ(line.value(), "c");
  lines = follow(lines->place());
  EXPECT_THAT(read(*lines), ElementsAre("d", "e", "f"));
}

// One that was half written ended it with 65, and once it was whole it was read, too.
TEST_F(LinesTest, WhatTheHeldFileIsBeingCompressedToIsNotTheNext) {
  append("a\n");
  std::vector<std::string> warnings;
  const auto lines = follow_telling(warnings);
  EXPECT_THAT(read(*lines), ElementsAre("a"));
  for (const std::string date : {"2026-11-28", "2026-11-29"}) {
    const std::string old = date == "2026-11-28" ? "a" : "behind 2026-11-28";
    fs::rename(path(), path("log." + date + ".gz123.tmp"));
    append("behind " + date + "\n");
    std::ofstream(path("log." + date + ".gz")) << "\x1f\x8b";
    EXPECT_TRUE(read_for(*lines, 3).empty());
    compress(old + "\n", "wb", "log." + date + ".gz");
    EXPECT_THAT(read(*lines), ElementsAre("behind " + date));
    fs::remove(path("log." + date + ".gz123.tmp"));
  }
  EXPECT_THAT(warnings, ElementsAre());
}

// They were read in a circle.
TEST_F(LinesTest, EmptyFilesThatWereCompressedAreReadOnce) {
  append("a\n");
  const auto lines = follow();
  EXPECT_THAT(read(*lines), ElementsAre("a"));
  fs::rename(path(), path("log.3"));
  compress("", "wb", "log.2.gz");
  compress("", "wb", "log.1.gz");
  append("b\n");
  EXPECT_THAT(read_for(*lines, 50), ElementsAre("b"));
}

// It was taken for what was read, and left out.
TEST_F(LinesTest, ACompressedFileThatBeginsLikeOneThatWasReadIsRead) {
  append("start\n");
  const auto lines = follow();
  EXPECT_THAT(read(*lines), ElementsAre("start"));
  rotate();
  append("start\nb\n");
  EXPECT_THAT(read(*lines), ElementsAre("start", "b"));
  fs::rename(path("log.1"), path("log.3"));
  fs::rename(path(), path("log.2"));
  compress("start\nc\n", "wb", "log.1.gz");
  append("d\n");
  EXPECT_THAT(read_for(*lines), ElementsAre("start", "c", "d"));
}

TEST_F(LinesTest, AFileThatWasCopiedAndCutWhileNobodyReadIsCaughtUpWith) {
  append("a\nb\n");
  const LinePlace place = follow_one_line();
  fs::copy_file(path(), path("log.1"));
  std::ofstream(path(), std::ios::trunc) << "c\n";
  EXPECT_THAT(read(*follow(place)), ElementsAre("b", "c"));
}

TEST_F(LinesTest, AFileThatWasCutAndOutgrewThePlaceWhileNobodyReadIsKnownByWhatWasReadLast) {
  const std::string head(2'000, 'x');  // as logs begin that repeat a banner
  append(head + "\na\nb\n");
  auto lines = follow();
  ASSERT_TRUE(lines->next().is_ok());
  ASSERT_TRUE(lines->next().is_ok());
  const LinePlace place = lines->place();
  lines.reset();
  compress(head + "\nolder\n", "wb", "log.2.gz");
  fs::last_write_time(path("log.2.gz"), fs::last_write_time(path()) - std::chrono::hours(1));
  fs::copy_file(path(), path("log.1"));
  std::ofstream(path(), std::ios::trunc) << head << "\nc\nd\ne\n";
  EXPECT_THAT(read(*follow(place)), ElementsAre("b", head, "c", "d", "e"));
  fs::remove(path("log.1"));
  compress(head + "\na\nb\n", "wb", "log.1.gz");
  EXPECT_THAT(read(*follow(place)), ElementsAre("b", head, "c", "d", "e"));
}

TEST_F(LinesTest, ARotatedFileThatIsCompressedAtOnceIsReadOnce) {
  append("a\nb\n");
  const auto lines = follow();
  ASSERT_TRUE(lines->next().is_ok());
  compress("a\nb\n", "wb", "log.2.gz");  // an older one that begins alike
  fs::last_write_time(path("log.2.gz"), fs::last_write_time(path()) - std::chrono::hours(1));
  fs::remove(path());
  compress("a\nb\n", "wb", "log.1.gz");
  append("c\n");
  EXPECT_THAT(read(*lines), ElementsAre("b", "c"));
}

TEST_F(LinesTest, AFileThatWasRotatedToElsewhereIsWarnedOf) {
  append("a\n");
  std::vector<std::string> warnings;
  const auto lines = follow_telling(warnings);
  EXPECT_THAT(read(*lines), ElementsAre("a"));
  fs::create_directory(path("old"));
  for (const std::string line : {"b", "c"}) {
    fs::rename(path(), path("old/" + line));
    append(line + "\n");
    EXPECT_THAT(read(*lines), ElementsAre(line));
  }
  EXPECT_THAT(warnings, SizeIs(2));
  EXPECT_THAT(warnings, Each(HasSubstr("no longer beside " + path())));
}

TEST_F(LinesTest, WhatCannotBeReadInBetweenEndsItBehindWhatCan) {
  append("a\n");
  const auto lines = follow();
  EXPECT_THAT(read(*lines), ElementsAre("a"));
  append("b\n");
  fs::rename(path(), path("log.2"));
  std::ofstream(path("log.1.xz")) << "c";
  fs::last_write_time(path("log.1.xz"),
                      fs::last_write_time(path("log.2")) + std::chrono::seconds(1));
  append("d\n");
  auto line = lines->next();
  ASSERT_TRUE(line.is_ok());
  EXPECT_EQ(line.value(), "b");
  for (line = lines->next(); line.is_ok() && !line.value(); line = lines->next()) {
  }
  ASSERT_FALSE(line.is_ok());
  EXPECT_EQ(line.status().exit_code(), ExitCode::bad_input);
  EXPECT_THAT(line.status().message(), HasSubstr("log.1.xz"));
  fs::remove(path("log.1.xz"));
  EXPECT_THAT(read(*lines), ElementsAre("d"));
}

TEST_F(LinesTest, WhereTheFileIsGoneWhatWasRotatedAfterItIsRead) {
  append("older\n");
  rotate();
  fs::last_write_time(path("log.1"), fs::last_write_time(path("log.1")) - std::chrono::hours(1));
  append("a\nb\n");
  const LinePlace place = follow_one_line();
  fs::remove(path());
  append("c\n");
  rotate();
  append("d\n");
  std::vector<std::string> warnings;
  const auto lines =
      open({path(), true, place, [&](const std::string& text) { warnings.push_back(text); }});
  EXPECT_FALSE(lines->has_resumed());
  EXPECT_THAT(read(*lines), ElementsAre("c", "d"));
  EXPECT_THAT(warnings, ElementsAre(HasSubstr("beginning with " + path("log.1"))));
}

// As `> log` does.
TEST_F(LinesTest, AFileThatWasTruncatedWhileNobodyReadIsReadFromItsBeginning) {
  append("older\n");
  rotate();
  fs::last_write_time(path("log.1"), fs::last_write_time(path("log.1")) - std::chrono::hours(1));
  append("a\nb\n");
  auto lines = follow();
  ASSERT_TRUE(lines->next().is_ok());
  const LinePlace place = lines->place();
  std::ofstream(path(), std::ios::trunc) << "c\n";
  EXPECT_THAT(read(*follow(place)), ElementsAre("c"));
}

// Its lines went into the topic.
TEST_F(LinesTest, AnotherFileThatBeginsAlikeIsNotTakenForTheOneThatIsGone) {
  append("header\n");
  auto lines = follow();
  EXPECT_THAT(read(*lines), ElementsAre("header"));
  const LinePlace place = lines->place();
  fs::create_directory(path("old"));
  fs::rename(path(), path("old/log"));
  std::ofstream(path("login-service")) << "header\nof another\n";
  append("header\nb\n");
  EXPECT_THAT(read(*follow(place)), ElementsAre("header", "b"));
}

TEST_F(LinesTest, AFileThatWasCutIsGoneOnWithByItsNewContents) {
  append("a\nb\n");
  auto lines = follow();
  EXPECT_THAT(read(*lines), ElementsAre("a", "b"));
  fs::copy_file(path(), path("log.1"));
  fs::last_write_time(path("log.1"), fs::last_write_time(path()) - std::chrono::seconds(1));
  std::ofstream(path(), std::ios::trunc) << "c\n";
  EXPECT_THAT(read(*lines), ElementsAre("c"));
  const LinePlace place = lines->place();
  lines.reset();
  append("d\n");
  rotate();
  append("e\n");
  EXPECT_THAT(read(*follow(place)), ElementsAre("d", "e"));
}

TEST_F(LinesTest, ACopyThatIsBeingCompressedIsStillTheFile) {
  append("a\nb\n");
  auto lines = follow();
  ASSERT_TRUE(lines->next().is_ok());
  const LinePlace place = lines->place();
  fs::copy_file(path(), path("log.1"));
  compress("a\nb\n", "wb", "log.1.gz");
  std::ofstream(path(), std::ios::trunc) << "c\n";
  EXPECT_THAT(read(*follow(place)), ElementsAre("b", "c"));
}

TEST_F(LinesTest, ALinkThatLeadsElsewhereIsFollowedWithoutWhatLayThere) {
  for (const std::string name : {"a", "b", "b.1"}) {
    std::ofstream(path(name)) << "in " << name << "\n";
  }
  fs::create_symlink(path("a"), path());
  const auto lines = follow();
  EXPECT_THAT(read(*lines), ElementsAre("in a"));
  fs::remove(path());
  fs::create_symlink(path("b"), path());
  EXPECT_THAT(read(*lines), ElementsAre("in b"));
}

TEST_F(LinesTest, ALinkWhoseTargetIsMissingForAMomentIsFollowed) {
  const std::string target = path("target");
  const auto write = [&](const std::string& line) {
    std::ofstream(target, std::ios::app) << line << "\n";
  };
  write("a");
  fs::create_symlink(target, path());
  const auto lines = follow();
  EXPECT_THAT(read(*lines), ElementsAre("a"));
  fs::rename(target, target + ".2");
  EXPECT_TRUE(read(*lines).empty());
  write("b");
  fs::rename(target, target + ".1");
  write("c");
  EXPECT_THAT(read(*lines), ElementsAre("b", "c"));
  fs::remove(path());
  EXPECT_TRUE(read_for(*lines, 3).empty()) << "it was sent for ever, where the link was away";
  fs::create_symlink(target, path());
  write("d");
  EXPECT_THAT(read(*lines), ElementsAre("d"));
}

// It was taken for the file that is gone, and left out.
TEST_F(LinesTest, AFileThatBeginsWithAllOfTheOneThatIsGoneIsRead) {
  append("header\n");
  const auto lines = follow();
  EXPECT_THAT(read(*lines), ElementsAre("header"));
  fs::remove(path());
  append("header\nb\n");
  rotate();
  append("c\n");
  EXPECT_THAT(read(*lines), ElementsAre("header", "b", "c"));
}

TEST_F(LinesTest, APipeIsFollowedFromOneWriterToTheNext) {
  ASSERT_EQ(::mkfifo(path().c_str(), 0600), 0);
  const int both = ::open(path().c_str(), O_RDWR);  // lest opening waits for a writer
  ASSERT_GE(both, 0);
  const auto lines = follow();
  for (const std::string line : {"a", "b"}) {
    append(line + "\n");
    EXPECT_THAT(read(*lines), ElementsAre(line));
  }
  ::close(both);
  EXPECT_THAT(read(*lines), ElementsAre());
  append("c\n");
  EXPECT_THAT(read(*lines), ElementsAre("c"));
}

TEST_F(LinesTest, AFileThatIsGoneIsSaid) {
  append("a\nb\n");
  auto lines = follow();
  ASSERT_TRUE(lines->next().is_ok());
  const LinePlace place = lines->place();
  fs::remove(path());
  append("c\n");
  lines = follow(place);
  EXPECT_FALSE(lines->has_resumed());
  EXPECT_THAT(read(*lines), ElementsAre("c"));
}

TEST_F(LinesTest, WhatDoesNotGrowCannotBeFollowed) {
  EXPECT_EQ(LineReader::open({"-", true, {}}).status().exit_code(), ExitCode::usage);
  EXPECT_EQ(LineReader::open({path("x.gz"), true, {}}).status().exit_code(), ExitCode::usage);
}

}  // namespace
}  // namespace weir
