"""SoftHebb in float64 NumPy, written from the equations alone, with loops where they are clearest."""

import numpy as np


class ReferenceLayer:
    def __init__(self, spec, weights):
        self.spec, self.w = spec, np.array(weights, dtype=np.float64).reshape(len(weights), -1)  # (K, C·k·k)
        self.average = self.w
        self.mean, self.var, self.n, self.samples, self.peak = 0.0, 1.0, 0, 0, 0.0
        self.opening, self.fading, self.covariance = 0.0, 1.0, None

    def learn(self, x):
        """(B, C, H, W) to (B, K, H', W')."""
        s = self.spec
        if s.kernel_size is None:
            x = x.reshape(len(x), -1, 1, 1)
        if s.normalization == "whiten_patches":  # whole patches are normalised, as if they were pixels
            patches = self.normalise(self.patches(x).transpose(0, 3, 1, 2)).transpose(0, 2, 3, 1)
        else:
            patches = self.patches(self.normalise(x))  # (B, H, W, N)
        b, h, w, n = patches.shape
        patches = patches.reshape(-1, n)
        u = patches @ self.w.T
        seen = patches @ self.average.T
        out = self.pool(self.activate(seen).reshape(b, h, w, -1).transpose(0, 3, 1, 2))
        rows, columns = pair(s.average_size)
        tall, wide = out.shape[2] // rows, out.shape[3] // columns
        kept = out[:, :, : tall * rows, : wide * columns].reshape(*out.shape[:2], tall, rows, wide, columns)
        out = kept.mean(axis=(3, 5))
        if s.unit_length:
            out = out / np.maximum(1e-12, np.sqrt((out**2).sum(axis=1, keepdims=True)))

        delta = np.zeros_like(self.w)
        for x_p, u_p in zip(patches, u, strict=True):  # eq. 2, position by position
            y = self.compete(u_p)
            delta += y[:, None] * (x_p[None, :] - u_p[:, None] * self.w)
        scale = np.abs(delta).max() + 1e-30
        if s.update_scale == "running_max":
            decayed, most = 0.999 * self.peak, 1.5 * self.peak if self.peak > 1e-20 else scale
            self.peak = max(decayed, min(scale, most))
            scale = max(decayed, scale)
        elif s.update_scale == "none":
            scale = 1.0
        norms = np.sqrt((self.w**2).sum(axis=1))
        rate = s.learning_rate * np.maximum(np.abs(norms - 1) + 1e-10, self.opening) ** s.rate_power  # eq. 5
        self.opening *= self.fading**b
        if s.decay_samples is not None:
            rate = rate * max(0.0, 1 - self.samples / s.decay_samples)
        self.w = self.w + rate[:, None] * delta / scale
        self.samples += b
        share, horizon = 1.0, s.averaging_samples
        if horizon is not None and s.learning_rate:
            share = min(1.0, max(3 * b / (self.samples + 2), 1 - (1 - 1 / horizon) ** b))
        self.average = (1 - share) * self.average + share * self.w
        return out

    def normalise(self, x):
        s = self.spec
        if s.normalization == "none":
            return x
        mean, var = x.mean(axis=(0, 2, 3)), x.var(axis=(0, 2, 3))
        flat = np.asarray(self.var) < 1e-6
        begin = flat & (var > 1e-5)
        self.n = len(x) if begin.any() and flat.all() else self.n + len(x)
        a = max(len(x) / self.n, 1 - (1 - s.momentum) ** len(x))
        shift = np.where(begin, 0, mean - self.mean)
        each = np.where(begin, 1, a)
        self.var = (1 - each) * (self.var + a * shift**2) + each * var
        self.mean = self.mean + each * (mean - self.mean)
        if s.normalization.startswith("whiten"):
            return self.whiten(x, np.where(np.outer(begin, begin), 1, a), shift, mean)
        if s.normalization == "stream" or x[:, 0].size == 1:
            mean, var = self.mean, self.var
        return (x - mean[:, None, None]) / np.sqrt(var[:, None, None] + 1e-5)

    def whiten(self, x, a, shift, mean):
        pixels = x.transpose(0, 2, 3, 1).reshape(-1, x.shape[1])
        within = (pixels - mean).T @ (pixels - mean) / len(pixels)
        if self.covariance is None:
            self.covariance = np.eye(len(mean))
        self.covariance = (1 - a) * (self.covariance + a * np.outer(shift, shift)) + a * within
        scale = 1 / np.sqrt(np.diag(self.covariance) + 1e-5)
        correlation = self.covariance * np.outer(scale, scale)
        if self.spec.normalization == "whiten_colors" and len(mean) == 3:
            correlation = np.array([[1, 0.92, 0.8], [0.92, 1, 0.92], [0.8, 0.92, 1]])
            scale = 1 / np.sqrt(np.trace(self.covariance) / 3 + 1e-5)
        values, vectors = np.linalg.eigh(correlation)
        root = np.sqrt(1.1) * (vectors / np.sqrt(values + 0.1)) @ vectors.T * scale
        return np.einsum("dc,bchw->bdhw", root, x - self.mean[:, None, None])

    def patches(self, x):
        k, m = pair(self.spec.kernel_size or 1)
        h, w = x.shape[2:]
        x = np.pad(x, ((0, 0), (0, 0), (k // 2, k // 2), (m // 2, m // 2)), mode="reflect")
        return np.stack(
            [np.stack([x[:, :, i : i + k, j : j + m].reshape(len(x), -1) for j in range(w)], 1) for i in range(h)], 1
        )

    def compete(self, u):
        s = self.spec
        winner = int(np.argmax(u))
        if s.plasticity == "hebbian":
            return u
        if s.plasticity == "hard_wta":
            return np.eye(len(u))[winner]
        y = np.exp(s.inverse_temperature * u - (s.inverse_temperature * u).max())
        y /= y.sum()  # eq. 1
        if s.event_budget is not None and s.event_budget < len(u):  # all but the largest are dropped, and what ties
            y = np.where(u > np.sort(u)[-1 - s.event_budget], y, 0.0)
        y = np.where(y > s.event_threshold, y, 0.0)
        if s.plasticity == "soft_anti_hebbian":
            y = np.where(np.arange(len(u)) == winner, y, -y)
        return y

    def activate(self, u):
        s = self.spec
        if s.activation == "triangle":
            return np.maximum(0, u - u.mean(axis=1, keepdims=True)) ** s.power
        if s.activation == "repu":
            return np.maximum(0, u) ** s.power
        if s.activation == "relu":
            return np.maximum(0, u)
        if s.activation == "tanh":
            return np.tanh(u)
        y = np.exp(s.activation_inverse_temperature * (u - u.max(axis=1, keepdims=True)))
        return y / y.sum(axis=1, keepdims=True)

    def pool(self, x):
        s = self.spec
        if s.pool == "none":
            return x
        (p, q), (tall, wide), (down, across) = map(pair, (s.pool_padding, s.pool_size, s.pool_stride))
        if s.pool == "time_avg":
            q, wide, across = 0, x.shape[3], 1
        fill = -np.inf if s.pool == "max" else 0.0
        x = np.pad(x, ((0, 0), (0, 0), (p, p), (q, q)), constant_values=fill)
        reduce = np.max if s.pool == "max" else np.mean
        rows = range(0, x.shape[2] - tall + 1, down)
        columns = range(0, x.shape[3] - wide + 1, across)
        return np.stack(
            [np.stack([reduce(x[:, :, i : i + tall, j : j + wide], (2, 3)) for j in columns], -1) for i in rows], -2
        )


def pair(sides):
    return (sides, sides) if isinstance(sides, int) else sides
