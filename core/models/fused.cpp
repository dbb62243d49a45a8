// What YOLOv4-GS does between its dense convolutions, in few passes over memory: batch norm with its
// activation, depthwise 3x3 convolution, SimAM.
//
// Maps are float32 in channels-last order: a pixel is a row of channels, and rows lie `stride` floats apart,
// so that a half of a concatenation is read and written where it is. Work is cut into pieces whose size does
// not depend on the number of threads, and neither do the results.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <type_traits>
#include <vector>

namespace {

constexpr long BLOCK = 8192;          // floats of a piece of work, which stay in the first cache
constexpr float LINEAR_FROM = 20.f;   // tanh(softplus(20)) is 1 in float32
constexpr float LEAKY_SLOPE = 0.1f;

// Calls f with the number of channels that are computed side by side: a constant that divides them all.
template <class F>
void side_by_side(long channels, F f) {
    if (channels % 32 == 0) f(std::integral_constant<long, 32>{});
    else if (channels % 16 == 0) f(std::integral_constant<long, 16>{});
    else if (channels % 8 == 0) f(std::integral_constant<long, 8>{});
    else if (channels % 4 == 0) f(std::integral_constant<long, 4>{});
    else f(std::integral_constant<long, 1>{});
}

// K floats that are computed side by side.
template <long K>
struct Lanes {
    typedef float type __attribute__((vector_size(K * sizeof(float))));
};

template <class V>
inline V load(const float* from) {
    V values;
    std::memcpy(&values, from, sizeof values);
    return values;
}

// e^x for x in -87..87, to two units in the last place (Cephes' expf).
inline float exponential(float x) {
    x = x < -87.f ? -87.f : x;
    const float whole = std::floor(x * 1.44269504088896341f + 0.5f);
    float r = x - whole * 0.693359375f;
    r = r - whole * -2.12194440e-4f;
    float p = 1.9875691500e-4f;
    p = p * r + 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    p = p * r * r + r + 1.f;
    const int32_t bits = (static_cast<int32_t>(whole) + 127) << 23;
    float power;
    std::memcpy(&power, &bits, sizeof power);
    return p * power;
}

struct Linear {
    static inline float value(float z) { return z; }
    static inline float slope(float) { return 1.f; }
};

struct Leaky {
    static inline float value(float z) { return z > 0.f ? z : LEAKY_SLOPE * z; }
    static inline float slope(float z) { return z > 0.f ? 1.f : LEAKY_SLOPE; }
};

// With n = e^z (e^z + 2), tanh(softplus(z)) is n / (n + 2).
struct Mish {
    static inline float value(float z) {
        const float e = exponential(z < LINEAR_FROM ? z : LINEAR_FROM);
        const float n = e * (e + 2.f);
        return z * (n / (n + 2.f));
    }
    static inline float slope(float z) {
        const float e = exponential(z < LINEAR_FROM ? z : LINEAR_FROM);
        const float n = e * (e + 2.f), r = 1.f / (n + 2.f);
        return n * r + z * (4.f * e * r) * ((1.f + e) * r);
    }
};

template <class F>
void with_activation(int activation, F f) {
    if (activation == 2) f(Mish{});
    else if (activation == 1) f(Leaky{});
    else f(Linear{});
}

inline float simam_gate(float deviation, float factor) {
    const float energy = deviation * deviation * factor + 0.5f;
    return 1.f / (1.f + exponential(energy < 87.f ? -energy : -87.f));
}

// Each channel's mean and summed squared deviation over rows that stay in the cache, of K channels from x on.
template <long K>
void block_moments(const float* x, long rows, long stride, double* mean, double* squares) {
    float sum[K] = {}, middle[K], spread[K] = {};
    for (long row = 0; row < rows; ++row)
        for (long c = 0; c < K; ++c) sum[c] += x[row * stride + c];
    for (long c = 0; c < K; ++c) middle[c] = sum[c] / rows;
    for (long row = 0; row < rows; ++row)
        for (long c = 0; c < K; ++c) {
            const float d = x[row * stride + c] - middle[c];
            spread[c] += d * d;
        }
    for (long c = 0; c < K; ++c) mean[c] = middle[c], squares[c] = spread[c];
}

// The moments of two parts together (Chan et al. 1979); the first part's are replaced.
inline void join(double& mean, double& squares, double count, double other, double other_squares,
                 double other_count) {
    const double shift = other - mean, share = other_count / (count + other_count);
    mean += shift * share;
    squares += other_squares + shift * shift * count * share;
}

struct Blocks {
    long rows, size, count; // rows in all, rows a block, blocks
    Blocks(long rows, long channels) : rows(rows), size(std::max(BLOCK / channels, 1L)) {
        count = (rows + size - 1) / size;
    }
    long in(long block) const { return std::min(size, rows - block * size); }
};

} // namespace

extern "C" {

// y = activation(batch norm of x), x (rows, channels) dense. In training the statistics of x go to mean and
// invstd and, by momentum, to the running ones; else mean and invstd are given. activation: 0 none, 1 leaky
// ReLU 0.1, 2 Mish.
void norm_activate(const float* x, float* y, const float* weight, const float* bias, float* mean, float* invstd,
                   float* running_mean, float* running_var, long rows, long channels, long y_stride, float eps,
                   float momentum, long training, long activation, int threads) {
    const Blocks blocks(rows, channels);
    if (training) {
        std::vector<double> means(blocks.count * channels), squares(blocks.count * channels);
        side_by_side(channels, [&](auto k) {
            constexpr long K = decltype(k)::value;
#pragma omp parallel for num_threads(threads) schedule(static) if (blocks.count > 1)
            for (long b = 0; b < blocks.count; ++b)
                for (long c = 0; c < channels; c += K)
                    block_moments<K>(x + b * blocks.size * channels + c, blocks.in(b), channels,
                                     &means[b * channels + c], &squares[b * channels + c]);
        });
        for (long c = 0; c < channels; ++c) {
            double middle = means[c], spread = squares[c];
            for (long b = 1; b < blocks.count; ++b)
                join(middle, spread, b * blocks.size, means[b * channels + c], squares[b * channels + c],
                     blocks.in(b));
            mean[c] = static_cast<float>(middle);
            invstd[c] = static_cast<float>(1.0 / std::sqrt(spread / rows + eps));
            const double unbiased = spread / std::max(rows - 1, 1L);
            running_mean[c] += momentum * (mean[c] - running_mean[c]);
            running_var[c] += momentum * (static_cast<float>(unbiased) - running_var[c]);
        }
    }
    side_by_side(channels, [&](auto k) {
        with_activation(activation, [&](auto form) {
            constexpr long K = decltype(k)::value;
            using Activation = decltype(form);
#pragma omp parallel for num_threads(threads) schedule(static) if (blocks.count > 1)
            for (long b = 0; b < blocks.count; ++b)
                for (long from = 0; from < channels; from += K) {
                    float scale[K], shift[K];
                    for (long c = 0; c < K; ++c) {
                        scale[c] = weight[from + c] * invstd[from + c];
                        shift[c] = bias[from + c] - mean[from + c] * scale[c];
                    }
                    const long first = b * blocks.size;
                    for (long row = first; row < first + blocks.in(b); ++row) {
                        const float* in = x + row * channels + from;
                        float* out = y + row * y_stride + from;
#pragma omp simd
                        for (long c = 0; c < K; ++c) out[c] = Activation::value(in[c] * scale[c] + shift[c]);
                    }
                }
        });
    });
}

// Gradients by x, weight and bias. dx holds the gradient by the normalized and scaled values in between.
void norm_activate_backward(const float* x, const float* dy, float* dx, const float* weight, const float* bias,
                            const float* mean, const float* invstd, float* dweight, float* dbias, long rows,
                            long channels, long dy_stride, long training, long activation, int threads) {
    const Blocks blocks(rows, channels);
    std::vector<float> sums(blocks.count * channels), products(blocks.count * channels);
    side_by_side(channels, [&](auto k) {
        with_activation(activation, [&](auto form) {
            constexpr long K = decltype(k)::value;
            using Activation = decltype(form);
#pragma omp parallel for num_threads(threads) schedule(static) if (blocks.count > 1)
            for (long b = 0; b < blocks.count; ++b)
                for (long from = 0; from < channels; from += K) {
                    float scale[K], shift[K], middle[K], sum[K] = {}, product[K] = {};
                    for (long c = 0; c < K; ++c) {
                        middle[c] = mean[from + c];
                        scale[c] = weight[from + c] * invstd[from + c];
                        shift[c] = bias[from + c] - middle[c] * scale[c];
                    }
                    const long first = b * blocks.size;
                    for (long row = first; row < first + blocks.in(b); ++row) {
                        const float *in = x + row * channels + from, *gradient = dy + row * dy_stride + from;
                        float* out = dx + row * channels + from;
#pragma omp simd
                        for (long c = 0; c < K; ++c) {
                            const float g = gradient[c] * Activation::slope(in[c] * scale[c] + shift[c]);
                            out[c] = g;
                            sum[c] += g;
                            product[c] += g * (in[c] - middle[c]);
                        }
                    }
                    std::copy(sum, sum + K, &sums[b * channels + from]);
                    std::copy(product, product + K, &products[b * channels + from]);
                }
        });
    });
    std::vector<float> center(channels), tilt(channels);
    for (long c = 0; c < channels; ++c) {
        double sum = 0, product = 0;
        for (long b = 0; b < blocks.count; ++b) {
            sum += sums[b * channels + c];
            product += products[b * channels + c];
        }
        dbias[c] = static_cast<float>(sum);
        dweight[c] = static_cast<float>(product * invstd[c]);
        center[c] = training ? static_cast<float>(sum / rows) : 0.f;
        tilt[c] = training ? static_cast<float>(product / rows * invstd[c] * invstd[c]) : 0.f;
    }
    side_by_side(channels, [&](auto k) {
        constexpr long K = decltype(k)::value;
#pragma omp parallel for num_threads(threads) schedule(static) if (blocks.count > 1)
        for (long b = 0; b < blocks.count; ++b)
            for (long from = 0; from < channels; from += K) {
                float scale[K], level[K], slope[K]; // dx = scale g - slope x - level
                for (long c = 0; c < K; ++c) {
                    scale[c] = weight[from + c] * invstd[from + c];
                    slope[c] = scale[c] * tilt[from + c];
                    level[c] = scale[c] * center[from + c] - slope[c] * mean[from + c];
                }
                const long first = b * blocks.size;
                for (long row = first; row < first + blocks.in(b); ++row) {
                    const float* in = x + row * channels + from;
                    float* out = dx + row * channels + from;
#pragma omp simd
                    for (long c = 0; c < K; ++c) out[c] = scale[c] * out[c] - slope[c] * in[c] - level[c];
                }
            }
    });
}

// y = base + depthwise 3x3 convolution of x, stride 1, zeros around; weight (9, channels), y dense. base may
// be null. With the taps in reverse order it is the gradient by the input.
void depthwise(const float* x, const float* weight, const float* base, float* y, long images, long height,
               long width, long channels, long x_stride, long base_stride, int threads) {
    side_by_side(channels, [&](auto k) {
        constexpr long K = decltype(k)::value;
        using V = typename Lanes<K>::type;
#pragma omp parallel for num_threads(threads) schedule(static)
        for (long line = 0; line < images * height; ++line) {
            const long top = line % height, first = top > 0 ? 0 : 1, last = top + 1 < height ? 2 : 1;
            for (long from = 0; from < channels; from += K) {
                V taps[9];
                for (long tap = 0; tap < 9; ++tap) taps[tap] = load<V>(weight + tap * channels + from);
                for (long column = 0; column < width; ++column) {
                    const long row = line * width + column;
                    V sum = base ? load<V>(base + row * base_stride + from) : V{};
                    for (long down = first; down <= last; ++down) {
                        const float* in = x + (row + (down - 1) * width) * x_stride + from;
                        if (column > 0) sum += load<V>(in - x_stride) * taps[3 * down];
                        sum += load<V>(in) * taps[3 * down + 1];
                        if (column + 1 < width) sum += load<V>(in + x_stride) * taps[3 * down + 2];
                    }
                    std::memcpy(y + row * channels + from, &sum, sizeof sum);
                }
            }
        }
    });
}

// The gradient (9, channels) by the weight of a depthwise convolution; dy is dense.
void depthwise_weight(const float* x, const float* dy, float* dweight, long images, long height, long width,
                      long channels, long x_stride, int threads) {
    std::vector<double> partial(images * 9 * channels);
    side_by_side(channels, [&](auto k) {
        constexpr long K = decltype(k)::value;
        using V = typename Lanes<K>::type;
#pragma omp parallel for num_threads(threads) schedule(static)
        for (long image = 0; image < images; ++image)
            for (long from = 0; from < channels; from += K)
                for (long top = 0; top < height; ++top)
                    for (long down = top > 0 ? 0 : 1; down <= (top + 1 < height ? 2 : 1); ++down) {
                        const long line = (image * height + top) * width;
                        V left{}, middle{}, right{};
                        for (long column = 0; column < width; ++column) {
                            const V gradient = load<V>(dy + (line + column) * channels + from);
                            const float* in = x + (line + column + (down - 1) * width) * x_stride + from;
                            if (column > 0) left += gradient * load<V>(in - x_stride);
                            middle += gradient * load<V>(in);
                            if (column + 1 < width) right += gradient * load<V>(in + x_stride);
                        }
                        double* sums = &partial[(image * 9 + down * 3) * channels + from];
                        for (long c = 0; c < K; ++c) {
                            sums[c] += left[c];
                            sums[channels + c] += middle[c];
                            sums[2 * channels + c] += right[c];
                        }
                    }
    });
    for (long at = 0; at < 9 * channels; ++at) {
        double sum = 0;
        for (long image = 0; image < images; ++image) sum += partial[image * 9 * channels + at];
        dweight[at] = static_cast<float>(sum);
    }
}

// y = residual + x sigmoid(d^2 / (4 (v + regulariser)) + 0.5), d = x - mean, v = sum d^2 / (pixels - 1); an
// image's means and 1 / (4 (v + regulariser)), (images, channels), are kept for the gradient.
void simam(const float* x, const float* residual, float* y, float* mean, float* factor, long images, long pixels,
           long channels, float regulariser, int threads) {
    const Blocks blocks(pixels, channels);
    side_by_side(channels, [&](auto k) {
        constexpr long K = decltype(k)::value;
#pragma omp parallel for num_threads(threads) schedule(static)
        for (long image = 0; image < images; ++image)
            for (long from = 0; from < channels; from += K) {
                const long start = image * pixels * channels + from;
                double middle[K] = {}, spread[K] = {}, part[K], part_spread[K];
                for (long b = 0; b < blocks.count; ++b) {
                    block_moments<K>(x + start + b * blocks.size * channels, blocks.in(b), channels, part,
                                     part_spread);
                    for (long c = 0; c < K; ++c)
                        join(middle[c], spread[c], b * blocks.size, part[c], part_spread[c], blocks.in(b));
                }
                float m[K], f[K];
                for (long c = 0; c < K; ++c) {
                    const double variance = spread[c] / std::max(pixels - 1, 1L);
                    mean[image * channels + from + c] = m[c] = static_cast<float>(middle[c]);
                    f[c] = static_cast<float>(1.0 / (4.0 * (variance + regulariser)));
                    factor[image * channels + from + c] = f[c];
                }
                for (long pixel = 0; pixel < pixels; ++pixel) {
                    const long at = start + pixel * channels;
#pragma omp simd
                    for (long c = 0; c < K; ++c)
                        y[at + c] = residual[at + c] + x[at + c] * simam_gate(x[at + c] - m[c], f[c]);
                }
            }
    });
}

// The gradient by x of SimAM alone. With g the gradient by the energy, and k the factor:
// dx = dy s + 2 k g d - 8 k^2 d sum(g d^2) / (pixels - 1) - 2 k sum(g d) / pixels.
void simam_backward(const float* x, const float* dy, float* dx, const float* mean, const float* factor,
                    long images, long pixels, long channels, int threads) {
    const Blocks blocks(pixels, channels);
    side_by_side(channels, [&](auto k) {
        constexpr long K = decltype(k)::value;
#pragma omp parallel for num_threads(threads) schedule(static)
        for (long image = 0; image < images; ++image)
            for (long from = 0; from < channels; from += K) {
                const long start = image * pixels * channels + from;
                const float *m = mean + image * channels + from, *f = factor + image * channels + from;
                double squares[K] = {}, products[K] = {};
                for (long b = 0; b < blocks.count; ++b) {
                    float by_factor[K] = {}, by_deviation[K] = {};
                    for (long row = 0; row < blocks.in(b); ++row) {
                        const long at = start + (b * blocks.size + row) * channels;
#pragma omp simd
                        for (long c = 0; c < K; ++c) {
                            const float d = x[at + c] - m[c], s = simam_gate(d, f[c]);
                            const float g = dy[at + c] * x[at + c] * s * (1.f - s) * d;
                            by_factor[c] += g * d;
                            by_deviation[c] += g;
                            dx[at + c] = dy[at + c] * s + 2.f * f[c] * g;
                        }
                    }
                    for (long c = 0; c < K; ++c) squares[c] += by_factor[c], products[c] += by_deviation[c];
                }
                float slope[K], level[K];
                for (long c = 0; c < K; ++c) {
                    slope[c] = static_cast<float>(8.0 * f[c] * f[c] * squares[c] / std::max(pixels - 1, 1L));
                    level[c] = static_cast<float>(2.0 * f[c] * products[c] / pixels) - slope[c] * m[c];
                }
                for (long pixel = 0; pixel < pixels; ++pixel) {
                    const long at = start + pixel * channels;
#pragma omp simd
                    for (long c = 0; c < K; ++c) dx[at + c] -= slope[c] * x[at + c] + level[c];
                }
            }
    });
}
}
