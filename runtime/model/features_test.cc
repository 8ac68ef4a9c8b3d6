#include "model/features.h"

#include <map>
#include <string>

#include <gtest/gtest.h>

namespace weir {
namespace {

using namespace std::string_literals;

constexpr FeatureSettings kWordsOnly{
    .hash_seed = 7, .dimension = 1 << 20, .words_max = 1, .chars_min = 1, .chars_max = 0};

std::string normalised(std::string_view text) {
  FeatureExtractor extractor(kWordsOnly);
  extractor.extract(text);
  return std::string(extractor.normalised());
}

std::map<std::uint32_t, int> features(FeatureExtractor& extractor, std::string_view text) {
  std::map<std::uint32_t, int> out;
  for (const Feature& feature : extractor.extract(text)) {
    EXPECT_TRUE(out.emplace(feature.bucket, feature.value).second) << "bucket given twice";
  }
  return out;
}

std::map<std::uint32_t, int> features(const FeatureSettings& settings, std::string_view text) {
  FeatureExtractor extractor(settings);
  return features(extractor, text);
}

TEST(Normalising, FoldsAsciiCaseAndDigitsAlone) {
  EXPECT_EQ(normalised("Psy 2,127 İÄ Ω"), "psy 0,000 İÄ Ω");
}

TEST(Normalising, MakesAnyRunOfSpaceOneSpaceAndNoneAtTheEnds) {
  EXPECT_EQ(normalised("\t a \r\n\xC2\xA0\xE3\x80\x80\xE2\x80\xA8 b\x7F\x01 "), "a b");
}

TEST(Normalising, LeavesOutInvisibleCodePoints) {
  EXPECT_EQ(normalised("su\u200Bb\u2060sc\uFE0Fribe\uFEFF"), "subscribe");
}

TEST(Normalising, FoldsFullWidthLettersToAscii) {
  EXPECT_EQ(normalised("ＣＨＥＣＫ　ｏｕｔ９！"), "check out0!");
}

TEST(Normalising, MakesATagOneSpaceButLeavesHeartsAndOpenBracketsAlone) {
  EXPECT_EQ(normalised("a<br />b</A>c"), "a b c");
  EXPECT_EQ(normalised("<3 < b> x<y"), "<0 < b> x<y");
  EXPECT_EQ(normalised("<i <u>x"), "<i x");
}

TEST(Normalising, ResolvesTheFiveEntitiesOnce) {
  EXPECT_EQ(normalised("I&#39;m &quot;it&quot; &lt;b&gt; &amp;lt; &nbsp; &amp"),
            "i'm \"it\" <b> &lt; &nbsp; &amp");
}

TEST(Normalising, MakesEachIllFormedByteOneReplacementCharacter) {
  const std::string r = "\uFFFD";
  EXPECT_EQ(normalised("\x80"), r);
  EXPECT_EQ(normalised("\xC0\xAF"), r + r);
  EXPECT_EQ(normalised("\xE0\x80\xAF"), r + r + r);
  EXPECT_EQ(normalised("\xED\xA0\x80"), r + r + r) << "surrogate";
  EXPECT_EQ(normalised("\xF4\x90\x80\x80"), r + r + r + r) << "beyond U+10FFFF";
  EXPECT_EQ(normalised("\xE2\x9D"
                       "b"),
            r + r + "b");
  EXPECT_EQ(normalised("\xF0\x9F\x98"), r + r + r);
  EXPECT_EQ(normalised("\xF4\x8F\xBF\xBF\xED\x9F\xBF"), "\xF4\x8F\xBF\xBF\xED\x9F\xBF");
}

TEST(Normalising, TreatsNulAsSpace) {
  EXPECT_EQ(normalised("a\0\0b\0"s), "a b");
}

TEST(Features, AreNoneForATextOfNothingButSpace) {
  for (const std::string& text : {""s, " "s, "\0\0"s, "\uFEFF\u200B"s, "<br />"s}) {
    EXPECT_TRUE(features(kWordsOnly, text).empty());
  }
}

TEST(Features, CountAWordOnce) {
  EXPECT_EQ(features(kWordsOnly, "love love").size(), 2u) << "one word, one length";
}

TEST(Features, SplitTokensWhereTheKindChanges) {
  // Lengths differ between texts, so look at which of the words' buckets are in.
  const auto whole = features(kWordsOnly, "love!!! psy's❤❤");
  for (const std::string word : {"love", "!!!", "psy's", "❤❤"}) {
    std::size_t shared = 0;
    for (const auto& [bucket, value] : features(kWordsOnly, word)) {
      shared += whole.count(bucket);
    }
    EXPECT_GE(shared, 1u) << word;
  }
  EXPECT_EQ(whole.size(), 5u);
}

TEST(Features, JoinConsecutiveTokensWhateverWasBetween) {
  FeatureSettings pairs = kWordsOnly;
  pairs.words_max = 2;
  EXPECT_EQ(features(pairs, "check out"), features(pairs, "CHECK \n out"));
  EXPECT_EQ(features(pairs, "check out").size(), 4u) << "two words, a pair, a length";
  EXPECT_NE(features(pairs, "check out"), features(pairs, "out check"));
}

TEST(Features, TakeCharactersByCodePointWithASpaceAtEachEnd) {
  const FeatureSettings chars{
      .hash_seed = 7, .dimension = 1 << 20, .words_max = 0, .chars_min = 3, .chars_max = 3};
  EXPECT_EQ(features(chars, "❤").size(), 2u) << "' ❤ ' and the length";
  EXPECT_EQ(features(chars, "ab❤").size(), 4u);
  EXPECT_EQ(features(chars, "aaaa").size(), 4u) << "' aa' 'aaa' 'aa ' and the length";
}

TEST(Features, GiveABucketTheLargestValueThatFallsIntoIt) {
  FeatureSettings crowded{.hash_seed = 7,
                          .dimension = 2,
                          .words_max = 1,
                          .chars_min = 1,
                          .chars_max = 5,
                          .word_weight = 4};
  const auto found = features(crowded, "a great many different features in two buckets");
  EXPECT_EQ(found, (std::map<std::uint32_t, int>{{0, 4}, {1, 4}}));
}

TEST(Features, DependOnTheSeed) {
  FeatureSettings other = kWordsOnly;
  other.hash_seed = 8;
  EXPECT_NE(features(kWordsOnly, "love"), features(other, "love"));
}

TEST(Features, KeepNothingFromTheTextBefore) {
  const FeatureSettings settings{
      .hash_seed = 7, .dimension = 1 << 12, .words_max = 2, .chars_min = 1, .chars_max = 5};
  FeatureExtractor reused(settings);
  for (const std::string& text : {"a long text of many words, to fill the buffers"s, "short"s, ""s,
                                  std::string(1 << 20, '\xFF'), "short again"s}) {
    EXPECT_EQ(features(reused, text), features(settings, text));
  }
}

}  // namespace
}  // namespace weir
