// Compares with what scikit-learn computed: stages/spam/model/*_features.tsv, by train.py.
#include "model/score.h"

#define XXH_INLINE_ALL
#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>
#include <xxhash.h>

namespace weir {
namespace {

const std::string kWeights = "stages/spam/model/spam.weights";

struct Vector {
  std::string name;
  int confidence = 0;
  double probability = 0;
  std::size_t features = 0;
  std::string digest;
  std::string text;
};

std::string unescaped(const std::string& column) {
  std::string out;
  for (std::size_t i = 0; i < column.size(); ++i) {
    if (column[i] == '\\') {
      out.push_back(static_cast<char>(std::stoi(column.substr(i + 2, 2), nullptr, 16)));
      i += 3;
    } else {
      out.push_back(column[i]);
    }
  }
  return out;
}

std::vector<Vector> read_vectors(const std::string& path) {
  std::ifstream file(path);
  std::vector<Vector> out;
  std::string line;
  std::getline(file, line);  // what the columns are
  while (std::getline(file, line)) {
    std::istringstream columns(line);
    Vector vector;
    int repeat = 0;
    columns >> vector.name >> repeat >> vector.confidence >> vector.probability >>
        vector.features >> vector.digest;
    columns.get();  // the tab
    std::string text;
    std::getline(columns, text);
    text = unescaped(text);
    for (int i = 0; i < repeat; ++i) {
      vector.text += text;
    }
    out.push_back(vector);
  }
  return out;
}

std::vector<Vector> all_vectors() {
  std::vector<Vector> out = read_vectors("stages/spam/model/comments_features.tsv");
  for (Vector& vector : read_vectors("stages/spam/model/hostile_features.tsv")) {
    out.push_back(std::move(vector));
  }
  return out;
}

std::string digest_of(std::span<const Feature> features) {
  std::vector<Feature> sorted(features.begin(), features.end());
  std::ranges::sort(sorted, {}, &Feature::bucket);
  std::string packed;
  for (const Feature& feature : sorted) {
    for (int shift = 0; shift < 32; shift += 8) {
      packed.push_back(static_cast<char>((feature.bucket >> shift) & 0xFF));
    }
    packed.push_back(static_cast<char>(feature.value));
  }
  std::ostringstream out;
  out.fill('0');
  out.width(16);
  out << std::hex << XXH3_64bits(packed.data(), packed.size());
  return out.str();
}

Model load() {
  auto model = Model::load(kWeights);
  EXPECT_TRUE(model.is_ok()) << model.status().message();
  return std::move(model).value();
}

std::vector<Score> scores_of(Model& model, const std::vector<Vector>& vectors) {
  std::vector<std::string_view> texts;
  texts.reserve(vectors.size());
  for (const Vector& vector : vectors) {
    texts.push_back(vector.text);
  }
  std::vector<Score> scores(texts.size());
  model.score(texts, scores);
  return scores;
}

TEST(Model, HasAVectorForEveryCommentAndHostileText) {
  EXPECT_EQ(read_vectors("stages/spam/model/comments_features.tsv").size(), 1148u);
  EXPECT_GE(read_vectors("stages/spam/model/hostile_features.tsv").size(), 30u);
}

TEST(Model, FindsTheFeaturesThatTheTrainingFound) {
  const auto weights = load_flat_weights(kWeights);
  ASSERT_TRUE(weights.is_ok()) << weights.status().message();
  FeatureExtractor extractor(weights.value().features);
  for (const Vector& vector : all_vectors()) {
    const auto features = extractor.extract(vector.text);
    EXPECT_EQ(features.size(), vector.features) << vector.name;
    EXPECT_EQ(digest_of(features), vector.digest) << vector.name;
  }
}

TEST(Model, AgreesWithScikitLearnWithinOneMillionthOnEveryComment) {
  Model model = load();
  const std::vector<Vector> vectors = all_vectors();
  const std::vector<Score> scores = scores_of(model, vectors);
  double largest = 0;
  for (std::size_t i = 0; i < vectors.size(); ++i) {
    const double found = std::ldexp(scores[i].probability_q30, -30);
    const double difference = std::abs(found - vectors[i].probability);
    largest = std::max(largest, difference);
    EXPECT_LE(difference, 1e-6) << vectors[i].name;
  }
  RecordProperty("largest_difference", std::to_string(largest * 1e9) + "e-9");
}

TEST(Model, GivesTheConfidenceThatTheTrainingComputedInIntegers) {
  Model model = load();
  const std::vector<Vector> vectors = all_vectors();
  const std::vector<Score> scores = scores_of(model, vectors);
  for (std::size_t i = 0; i < vectors.size(); ++i) {
    EXPECT_EQ(scores[i].confidence, vectors[i].confidence) << vectors[i].name;
    EXPECT_EQ(scores[i].spam, vectors[i].confidence >= 5000) << vectors[i].name;
  }
}

TEST(Model, SaysItsVersionAndDigest) {
  const Model model = load();
  EXPECT_EQ(model.version(), "spam-1");
  std::ifstream report("stages/spam/MODEL.md");
  const std::string text(std::istreambuf_iterator<char>(report), {});
  EXPECT_NE(text.find("`" + model.digest() + "`"), std::string::npos)
      << "MODEL.md is of another model than spam.weights, digest " << model.digest();
}

TEST(Model, ScoresATextTheSameWhateverItsPlaceInTheBatch) {
  Model model = load();
  std::vector<Vector> vectors = read_vectors("stages/spam/model/comments_features.tsv");
  std::vector<Score> forward = scores_of(model, vectors);
  std::ranges::reverse(vectors);
  std::vector<Score> backward = scores_of(model, vectors);
  std::ranges::reverse(backward);
  EXPECT_EQ(forward, backward);

  Model alone = load();
  for (std::size_t i = 0; i < vectors.size(); ++i) {
    const std::string_view text = vectors[vectors.size() - 1 - i].text;
    Score score;
    alone.score({&text, 1}, {&score, 1});
    EXPECT_EQ(score, forward[i]);
  }
}

TEST(Model, ScoresTheSameInCopiesOnOtherThreads) {
  Model model = load();
  const std::vector<Vector> vectors = read_vectors("stages/spam/model/comments_features.tsv");
  const std::vector<Score> expected = scores_of(model, vectors);
  std::vector<std::vector<Score>> found(4);
  std::vector<std::thread> threads;
  threads.reserve(found.size());
  for (auto& scores : found) {
    threads.emplace_back([&, copy = model]() mutable { scores = scores_of(copy, vectors); });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  for (const auto& scores : found) {
    EXPECT_EQ(scores, expected);
  }
}

TEST(Model, TakesAnEmptyBatch) {
  Model model = load();
  model.score({}, {});
}

TEST(Model, GivesATextWithoutFeaturesTheBias) {
  Model model = load();
  const auto weights = load_flat_weights(kWeights);
  const std::vector<std::string_view> texts{"", " \n", std::string_view("\0", 1), "\uFEFF"};
  std::vector<Score> scores(texts.size());
  model.score(texts, scores);
  for (const Score& score : scores) {
    EXPECT_EQ(score.probability_q30, logistic_q30(weights.value().bias));
  }
}

TEST(Model, CallsSpamWhatReachesTheThreshold) {
  FlatWeights weights;
  weights.features = {
      .hash_seed = 1, .dimension = 1024, .words_max = 1, .chars_min = 1, .chars_max = 1};
  weights.weights.assign(1024, 0);
  const std::string_view text = "x";
  Score score;
  for (const auto& [threshold, spam] : {std::pair{5000, true}, std::pair{5001, false}}) {
    weights.threshold = static_cast<std::uint16_t>(threshold);
    Model model(weights);
    model.score({&text, 1}, {&score, 1});
    EXPECT_EQ(score.confidence, 5000);
    EXPECT_EQ(score.spam, spam);
  }
}

TEST(Model, SurvivesTheLargestWeightsAndTheLongestTexts) {
  for (const std::int32_t weight : {INT32_MAX, INT32_MIN}) {
    FlatWeights weights;
    weights.features = {.hash_seed = 1,
                        .dimension = 1 << 16,
                        .words_max = 4,
                        .chars_min = 1,
                        .chars_max = 8,
                        .word_weight = 16};
    weights.weights.assign(1 << 16, weight);
    weights.bias = weight;
    Model model(std::move(weights));
    std::string noise;
    for (std::uint32_t i = 0; i < 300000; ++i) {
      const std::uint32_t bits = i * 2654435761u;
      noise.append({static_cast<char>(bits >> 24), static_cast<char>((bits >> 16) & 0xFF)});
    }
    const std::string_view text = noise;
    Score score;
    model.score({&text, 1}, {&score, 1});
    EXPECT_EQ(score.confidence, weight > 0 ? 10000 : 0);
  }
}

TEST(Logistic, IsWithinTwoToTheMinus26OfTheRealOne) {
  for (std::int64_t x = -(50ll << 24); x <= 50ll << 24; x += 77777) {
    const double exact = 1 / (1 + std::exp(-std::ldexp(static_cast<double>(x), -24)));
    EXPECT_NEAR(std::ldexp(logistic_q30(x), -30), exact, std::ldexp(1.0, -26)) << x;
  }
}

TEST(Logistic, IsOneHalfAtZeroAndSymmetric) {
  EXPECT_EQ(logistic_q30(0), 1 << 29);
  for (std::int64_t x = 1; x < 1ll << 40; x *= 3) {
    EXPECT_EQ(logistic_q30(x) + logistic_q30(-x), 1 << 30) << x;
  }
}

TEST(Logistic, EndsAtZeroAndOne) {
  EXPECT_EQ(logistic_q30(1ll << 60), 1 << 30);
  EXPECT_EQ(logistic_q30(-(1ll << 60)), 0);
}

}  // namespace
}  // namespace weir
