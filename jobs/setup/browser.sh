#!/bin/bash
# browser.sh FOLDER: a headless Chromium of a pinned version from the npm registry, without root; prints nothing.
# The package holds the browser and the libraries that a bare machine lacks, packed by Brotli, which Node unpacks.
set -euo pipefail
package=@sparticuz/chromium version=153.0.0
sum=20e5656fcdcf4118ede85edfb9d6bb9cc1bbb7ffb8b75622fffbcf36a835c3c0
folder=$1
mkdir -p "$folder"
cd "$folder"
npm pack --silent "$package@$version" >/dev/null
archive=sparticuz-chromium-$version.tgz
echo "$sum  $archive" | sha256sum --check --quiet
tar -xzf "$archive" --strip-components=2 package/bin
unpack='const z = require("zlib"), s = require("stream"), f = require("fs");
s.pipeline(f.createReadStream(process.argv[1]), z.createBrotliDecompress(), f.createWriteStream(process.argv[2]),
  (fault) => { if (fault) { console.error(fault); process.exit(1); } });'
for each in chromium al2023.tar fonts.tar; do node -e "$unpack" "$each.br" "$each"; done
for each in al2023 fonts; do tar -xf "$each.tar"; done
chmod +x chromium
cat >browser <<'RUN'
#!/bin/bash
# The browser beside this file, with the libraries and fonts beside it.
here=$(cd "$(dirname "$0")" && pwd)
export LD_LIBRARY_PATH="$here/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}" FONTCONFIG_FILE="$here/here.conf"
exec "$here/chromium" "$@"
RUN
chmod +x browser
printf '<fontconfig><dir>%s/fonts</dir><cachedir>%s/cache</cachedir></fontconfig>' "$PWD" "$PWD" >here.conf
rm -f ./*.br ./*.tar "$archive"
