// Points and thumbnails by WebGL 2: the graphics card places, colours and fills them.

const PLACED = `#version 300 es
precision highp float;
in vec2 here, there;
in vec4 look;
in float light;
uniform vec2 view;
uniform vec3 eye;
uniform float morph;
out vec3 dye;
flat out float shape;
void place(vec2 beside, float wanted) {
  float late = 0.35 * clamp(0.5 + 0.5 * here.x, 0.0, 1.0);
  float t = smoothstep(0.0, 1.0, clamp(1.35 * morph - late, 0.0, 1.0));
  vec2 p = (mix(here, there, t) - eye.xy) * eye.z + beside;
  dye = look.rgb;
  shape = floor(look.a * 255.0 + 0.5);
  bool shown = (light > 0.5) == (wanted > 0.5);
  gl_Position = shown ? vec4(p / view * vec2(2.0, -2.0), 0.0, 1.0) : vec4(2.0, 2.0, 2.0, 1.0);
}
`;
const DOT_PLACED = `${PLACED}
uniform float wanted, sharp;
void main() {
  place(vec2(0.0), wanted);
  gl_PointSize = 2.0 * sharp;
}`;
const DOT_FILLED = `#version 300 es
precision highp float;
in vec3 dye;
flat in float shape;
uniform float sharp, square, strength, wanted;
uniform vec3 pale;
out vec4 colour;
float edge(vec2 p) {
  float box = max(abs(p.x), abs(p.y)) - 0.92;
  if (shape < 0.5) return mix(length(p) - 0.92, box, square);
  if (shape < 1.5) return max(abs(p.x), abs(p.y)) - 0.78;
  if (shape < 2.5) return max(abs(p.x) * 0.88 - p.y * 0.46 - 0.4, p.y - 0.82);
  if (shape < 3.5) return abs(p.x) + abs(p.y) - 1.0;
  return abs(length(p) - 0.68) - 0.26;
}
void main() {
  float share = clamp(0.5 - edge(2.0 * gl_PointCoord - 1.0) * sharp, 0.0, 1.0) * strength;
  if (share <= 0.0) discard;
  colour = vec4((wanted > 0.5 ? dye : pale) * share, share);
}`;
const THUMB_PLACED = `${PLACED}
in vec2 corner;
uniform float reach;
uniform vec4 sized; // cell width and height, thumbnail width and height, in pixels of the sheet
uniform vec2 sheet;
uniform int across;
out vec2 at, pixel;
flat out vec4 bounds; // half a texel within the thumbnail, so that no neighbour is seen
void main() {
  place(corner * reach, 1.0);
  vec2 first = vec2(gl_InstanceID % across, gl_InstanceID / across) * sized.xy;
  float longest = max(sized.z, sized.w);
  vec2 inside = vec2(corner.x, corner.y) * longest * 0.5 + sized.zw * 0.5;
  pixel = (first + inside) / sheet;
  bounds = vec4(first + 0.5, first + sized.zw - 0.5) / sheet.xyxy;
  at = inside / sized.zw;
}`;
const THUMB_FILLED = `#version 300 es
precision highp float;
in vec2 at, pixel;
in vec3 dye;
flat in float shape;
flat in vec4 bounds;
uniform sampler2D picture;
uniform float strength, photo, frame, gamma, tint;
out vec4 colour;
void main() {
  if (min(at.x, at.y) < 0.0 || max(at.x, at.y) > 1.0) discard;
  vec4 seen = texture(picture, clamp(pixel, bounds.xy, bounds.zw));
  float margin = min(min(at.x, at.y), min(1.0 - at.x, 1.0 - at.y));
  vec3 shown = mix(dye, seen.rgb, smoothstep(frame * 0.8, frame * 1.2, margin));
  float share = (photo > 0.5 ? 1.0 : max(pow(seen.r, gamma), tint)) * strength;
  colour = vec4((photo > 0.5 ? shown : dye) * share, share);
}`;

class Glass {
  // The drawing surface, or an error where the browser has no WebGL 2.
  constructor(canvas) {
    const gl = canvas.getContext("webgl2", { antialias: false, powerPreference: "high-performance" });
    if (!gl) throw new Error("no WebGL 2");
    this.gl = gl;
    this.prepare();
    canvas.addEventListener("webglcontextlost", (event) => event.preventDefault());
    canvas.addEventListener("webglcontextrestored", () => { this.prepare(); this.dyed(); this.lighted(); shelf.forEach((sheet, i) => this.sheet(i, sheet)); redraw(); });
  }

  prepare() {
    const gl = this.gl;
    this.dots = program(gl, DOT_PLACED, DOT_FILLED);
    this.thumbs = program(gl, THUMB_PLACED, THUMB_FILLED);
    this.textures = [];
    [, this.largest] = gl.getParameter(gl.ALIASED_POINT_SIZE_RANGE);
    const corners = new Float32Array([-1, -1, 1, -1, -1, 1, 1, 1]);
    this.buffers = { corner: buffer(gl, corners), here: buffer(gl, onMap.places), there: buffer(gl, onGrid.places), look: buffer(gl, dyes), light: buffer(gl, lit) };
    gl.enable(gl.BLEND);
    gl.blendFunc(gl.ONE, gl.ONE_MINUS_SRC_ALPHA);
  }

  dyed() { fill(this.gl, this.buffers.look, dyes); }
  lighted() { fill(this.gl, this.buffers.light, lit); }

  sheet(i, picture) {
    const gl = this.gl, kind = given.sheets.colour ? [gl.RGBA8, gl.RGBA] : [gl.R8, gl.RED];
    this.textures[i] = { texture: gl.createTexture(), size: [picture.width, picture.height] };
    gl.bindTexture(gl.TEXTURE_2D, this.textures[i].texture);
    gl.texImage2D(gl.TEXTURE_2D, 0, kind[0], kind[1], gl.UNSIGNED_BYTE, picture);
    gl.generateMipmap(gl.TEXTURE_2D);
    gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MAX_LOD, 2);
    gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MIN_FILTER, gl.LINEAR_MIPMAP_LINEAR);
    gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_WRAP_S, gl.CLAMP_TO_EDGE);
    gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_WRAP_T, gl.CLAMP_TO_EDGE);
  }

  draw(frame) {
    const gl = this.gl;
    gl.viewport(0, 0, gl.drawingBufferWidth, gl.drawingBufferHeight);
    gl.clearColor(0, 0, 0, 0);
    gl.clear(gl.COLOR_BUFFER_BIT);
    if (frame.dim) this.some(frame, 0, 0.16);
    if (frame.thumbs < 1) this.some(frame, 1, 0.9 * (1 - frame.thumbs));
    if (frame.thumbs > 0) this.pictures(frame);
  }

  // Dots of the points that are lit, or of those that are not.
  some(frame, wanted, strength) {
    const gl = this.gl, its = this.dots;
    this.use(its, frame, 0, 0);
    gl.uniform1f(its.sharp, Math.min(frame.dot * frame.density, this.largest / 2));
    gl.uniform1f(its.square, frame.square);
    gl.uniform1f(its.strength, strength);
    gl.uniform1f(its.wanted, wanted);
    gl.uniform3fv(its.pale, frame.pale);
    gl.drawArrays(gl.POINTS, 0, count);
  }

  // Thumbnails, sheet by sheet.
  pictures(frame) {
    const gl = this.gl, its = this.thumbs, { cell, size, each, across, colour } = given.sheets;
    this.textures.forEach((sheet, i) => {
      this.use(its, frame, i * each, 1);
      gl.bindTexture(gl.TEXTURE_2D, sheet.texture);
      const magnified = (frame.side * frame.density) / Math.max(...size) > 1.5 && !colour ? gl.NEAREST : gl.LINEAR;
      gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MAG_FILTER, magnified);
      gl.uniform1f(its.reach, frame.side / 2);
      gl.uniform4f(its.sized, cell[1], cell[0], size[1], size[0]);
      gl.uniform2fv(its.sheet, sheet.size);
      gl.uniform1i(its.across, across);
      gl.uniform1f(its.strength, frame.thumbs);
      gl.uniform1f(its.photo, Number(colour));
      gl.uniform1f(its.gamma, inkGamma(frame));
      gl.uniform1f(its.tint, frame.tint);
      gl.uniform1f(its.frame, frame.edge);
      gl.drawArraysInstanced(gl.TRIANGLE_STRIP, 0, 4, Math.min(each, count - i * each));
    });
  }

  // Takes a program with the attributes of the points from the first on; each: vertices (0) or squares (1) have them.
  use(its, frame, first, each) {
    const gl = this.gl, { corner, here, there, look, light } = this.buffers;
    gl.useProgram(its.program);
    attribute(gl, its, "corner", corner, 2, gl.FLOAT, 0, 0);
    attribute(gl, its, "here", here, 2, gl.FLOAT, 8 * first, each);
    attribute(gl, its, "there", there, 2, gl.FLOAT, 8 * first, each);
    attribute(gl, its, "look", look, 4, gl.UNSIGNED_BYTE, 4 * first, each, true);
    attribute(gl, its, "light", light, 1, gl.UNSIGNED_BYTE, first, each);
    gl.uniform2f(its.view, frame.wide, frame.tall);
    gl.uniform3f(its.eye, frame.eye.x, frame.eye.y, frame.eye.scale);
    gl.uniform1f(its.morph, frame.morph);
  }
}

// Whether WebGL 2 is there and done by a graphics card, as far as browsers tell.
function quick() {
  const gl = document.createElement("canvas").getContext("webgl2", { failIfMajorPerformanceCaveat: true });
  const info = gl?.getExtension("WEBGL_debug_renderer_info");
  const name = gl ? String(gl.getParameter(info ? info.UNMASKED_RENDERER_WEBGL : gl.RENDERER)) : "";
  gl?.getExtension("WEBGL_lose_context")?.loseContext();
  return gl !== null && !/swiftshader|llvmpipe|softpipe|software|basic render/i.test(name);
}

// Thin strokes fade when they are small; this makes up for it.
function inkGamma(frame) {
  return mixed(0.6, 1, smooth(10, 36, frame.side * frame.density));
}

function program(gl, vertex, fragment) {
  const made = gl.createProgram();
  for (const [kind, text] of [[gl.VERTEX_SHADER, vertex], [gl.FRAGMENT_SHADER, fragment]]) {
    const shader = gl.createShader(kind);
    gl.shaderSource(shader, text);
    gl.compileShader(shader);
    if (!gl.getShaderParameter(shader, gl.COMPILE_STATUS)) throw new Error(gl.getShaderInfoLog(shader));
    gl.attachShader(made, shader);
  }
  gl.linkProgram(made);
  if (!gl.getProgramParameter(made, gl.LINK_STATUS)) throw new Error(gl.getProgramInfoLog(made));
  const its = { program: made };
  for (let i = 0; i < gl.getProgramParameter(made, gl.ACTIVE_UNIFORMS); i++) {
    const { name } = gl.getActiveUniform(made, i);
    its[name] = gl.getUniformLocation(made, name);
  }
  return its;
}

function buffer(gl, values) {
  const made = gl.createBuffer();
  fill(gl, made, values);
  return made;
}

function fill(gl, into, values) {
  gl.bindBuffer(gl.ARRAY_BUFFER, into);
  gl.bufferData(gl.ARRAY_BUFFER, values, gl.STATIC_DRAW);
}

function attribute(gl, its, name, from, size, kind, offset, divisor, share = false) {
  const at = gl.getAttribLocation(its.program, name);
  if (at < 0) return;
  gl.bindBuffer(gl.ARRAY_BUFFER, from);
  gl.enableVertexAttribArray(at);
  gl.vertexAttribPointer(at, size, kind, share, 0, offset);
  gl.vertexAttribDivisor(at, divisor);
}
