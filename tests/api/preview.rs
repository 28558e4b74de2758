//! `/v1/workers/{worker}/preview`: the page as it would be, and neither key nor service at the mercy of a stranger's file.

use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tests::picture::Picture;
use tests::programs::{fixture, run};
use tests::{Answer, Client, TestService};

struct Api {
    service: TestService,
    client: Client,
}

fn api() -> &'static Api {
    static API: OnceLock<Api> = OnceLock::new();
    API.get_or_init(Api::start)
}

impl Api {
    fn start() -> Self {
        Self::start_with("")
    }

    /// With these lines in `[server]`.
    fn start_with(server: &str) -> Self {
        let service = TestService::builder().server(server).start();
        service.key("seal", "ec-p256", "document");
        service.key("suspended", "ec-p256", "document");
        service.worker("pdf", "pades", "seal", "caller_may_set = [\"reason\"]");
        service.worker("seen", "pades", "seal", &format!("caller_may_set = [\"appearance\"]\n{APPEARANCE}"));
        service.worker("cms", "cades", "seal", "");
        service.worker("suspended", "pades", "suspended", "");
        service.worker("other", "pades", "seal", "");
        service.sigillo(&["credential", "suspend", "suspended"]);
        let key = service.api_key("caller", &["pdf", "seen", "cms", "suspended"]);
        let client = service.client().key(&key);
        Self { service, client }
    }

    fn show(&self, worker: &str, query: &str, document: &[u8]) -> Answer {
        self.client.post(&format!("/v1/workers/{worker}/preview{query}"), "application/pdf", document)
    }

    /// What is on record of a request.
    fn recorded(&self, answer: &Answer) -> Vec<String> {
        let events = self.service.audit_events();
        let of_request = events.iter().filter(|event| event["requestId"] == answer.request_id);
        of_request.map(|event| event["event"].as_str().unwrap().to_owned()).collect()
    }

    /// The picture of an answer, of which nothing is on record.
    fn shown(&self, answer: &Answer) -> Picture {
        let media_type = answer.media_type.as_str();
        assert_eq!((answer.status, media_type), (200, "image/png"), "{}", String::from_utf8_lossy(&answer.body));
        assert_eq!(self.recorded(answer), [""; 0]);
        Picture::from_png(&answer.body)
    }

    /// What the caller is told of this problem, of which nothing but the refusal is on record.
    fn refused(&self, answer: &Answer, status: u16, problem: &str) -> String {
        assert_eq!((answer.status, answer.problem().as_str()), (status, problem), "{}", answer.json());
        assert_eq!(self.recorded(answer), ["request-refused"]);
        answer.json()["detail"].as_str().unwrap().to_owned()
    }
}

fn document(name: &str) -> Vec<u8> {
    std::fs::read(fixture(&format!("pdf/{name}.pdf"))).unwrap()
}

/// What poppler shows of a page, the first being 1.
fn by_poppler(pdf: &[u8], page: usize, dpi: u16) -> Picture {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("sealed.pdf");
    std::fs::write(&file, pdf).unwrap();
    let (page, dpi) = (page.to_string(), dpi.to_string());
    let mut poppler = Command::new("pdftoppm");
    poppler.args(["-png", "-cropbox", "-singlefile", "-f", &page, "-l", &page, "-r", &dpi]);
    run(poppler.arg(&file).arg(folder.path().join("page")));
    Picture::from_png(&std::fs::read(folder.path().join("page.png")).unwrap())
}

#[test]
fn the_picture_is_what_poppler_shows_of_the_sealed_document() {
    for (name, dpi) in
        [("report", 144), ("report-encrypted", 72), ("report-xref-stream", 100), ("form", 96), ("pdfa-2b", 200)]
    {
        let answer = api().show("pdf", &format!("?dpi={dpi}"), &document(name));
        assert_eq!(answer.page.as_deref(), Some("1"));
        let picture = api().shown(&answer);
        let sealed = api().client.sign("pdf", &document(name)).success();
        let difference = picture.difference(&by_poppler(&sealed, 1, dpi));
        tests::report(&format!("{name} at {dpi} dpi: greatest difference from poppler {difference:.1} of 255"));
        assert!(difference < SAME, "{name}: {difference}");
        if name == "report" {
            // Else the measure would find everything equal.
            let another = picture.difference(&by_poppler(&sealed, 2, dpi));
            assert!(another > 2.0 * SAME, "{another}");
        }
    }
}

#[test]
fn a_visible_seal_is_on_the_picture_as_poppler_shows_it_once_it_is_made() {
    for (name, page) in [("report", -1), ("report", 2), ("report-encrypted", 1), ("pdfa-1b", 1), ("tagged", 1)] {
        let body =
            json!({ "document": STANDARD.encode(document(name)), "parameters": { "appearance": { "page": page } } });
        let answer = api().client.post_json("/v1/workers/seen/preview", &body);
        let picture = api().shown(&answer);
        let number = if page < 0 { 4 } else { page };
        assert_eq!(answer.page, Some(number.to_string()), "{name}");
        let sealed = api().client.post_json("/v1/workers/seen/sign", &body).json();
        let sealed = STANDARD.decode(sealed["signedDocument"].as_str().unwrap()).unwrap();
        let number = usize::try_from(number).unwrap();
        let difference = picture.difference(&by_poppler(&sealed, number, 144));
        let without = picture.difference(&by_poppler(&document(name), number, 144));
        tests::report(&format!(
            "{name}, page {page}: greatest difference from poppler {difference:.1} of 255, without the seal {without:.1}"
        ));
        assert!(difference < SAME, "{name}: {difference}");
        assert!(without > 2.0 * SAME, "{name}: the seal is not to be seen: {without}");
    }
    let body = json!({ "document": STANDARD.encode(document("form")), "parameters": { "appearance": { "page": 2 } } });
    let detail =
        api().refused(&api().client.post_json("/v1/workers/seen/preview", &body), 422, "document-unacceptable");
    assert!(detail.contains("page 2"), "{detail}");
}

const APPEARANCE: &str = "[appearance]\ntext = \"Sealed by {signer}\"\nbackground = \"#203080\"\ntext_color = \"#ffffff\"\n\
    border_color = \"#ff0000\"\nborder_width = 2\nwidth = 180\nheight = 60\n";

/// Two renderers smooth glyphs differently.
const SAME: f64 = 40.0;

#[test]
fn a_document_may_come_in_json_and_as_a_form_with_parameters() {
    let plain = api().shown(&api().show("pdf", "", &document("form")));
    assert_eq!(plain.size(), (1190, 1683), "A4 at 144 dots per inch");
    let body = json!({ "document": STANDARD.encode(document("form")), "parameters": { "reason": "Approved" } });
    let from_json = api().client.post_json("/v1/workers/pdf/preview", &body);
    assert_eq!(api().shown(&from_json).difference(&plain), 0.0);
    let form = [
        b"--b\r\nContent-Disposition: form-data; name=\"document\"\r\n\r\n".to_vec(),
        document("form"),
        b"\r\n--b--\r\n".to_vec(),
    ];
    let from_form = api().client.post("/v1/workers/pdf/preview", "multipart/form-data; boundary=b", &form.concat());
    assert_eq!(api().shown(&from_form).difference(&plain), 0.0);
}

#[test]
fn what_signing_refuses_a_preview_refuses() {
    let report = document("report");
    let truncated = std::fs::read(fixture("broken/truncated.pdf")).unwrap();
    for broken in [&truncated, &b"no PDF".to_vec()] {
        let detail = api().refused(&api().show("pdf", "", broken), 422, "document-unacceptable");
        let signed = api().client.sign("pdf", broken);
        assert_eq!(signed.json()["detail"], Value::String(detail));
    }
    api().refused(&api().show("other", "", &report), 403, "no-grant");
    api().refused(&api().show("missing", "", &report), 403, "no-grant");
    api().refused(&api().show("suspended", "", &report), 409, "credential-not-active");
    let detail = api().refused(&api().show("cms", "", &report), 422, "document-unacceptable");
    assert!(detail.contains("cades"), "{detail}");
    let body = json!({ "document": STANDARD.encode(&report), "parameters": { "location": "Tallinn" } });
    api().refused(&api().client.post_json("/v1/workers/pdf/preview", &body), 422, "parameters-unacceptable");
    let body = json!({ "document": STANDARD.encode(&report), "mediaType": "text/xml" });
    api().refused(&api().client.post_json("/v1/workers/pdf/preview", &body), 415, "media-type");
    for query in ["?dpi=17", "?dpi=301", "?dpi=-1", "?dpi=x", "?page=2"] {
        api().refused(&api().show("pdf", query, &report), 400, "malformed-request");
    }
    let stranger = api().service.client();
    let answer = stranger.post("/v1/workers/pdf/preview", "application/pdf", &report);
    assert_eq!((answer.status, answer.problem().as_str()), (401, "unauthenticated"));
}

#[test]
fn a_page_that_is_too_large_for_a_picture_is_refused_by_its_size() {
    let poster = |side: &str| pdf(&format!("/MediaBox[0 0 {side} {side}]"), b"", &[]);
    assert_eq!(api().shown(&api().show("pdf", "?dpi=18", &poster("14400"))).size(), (3600, 3600));
    for (side, query) in [("14400", ""), ("14400", "?dpi=300"), ("1000000", "?dpi=18")] {
        let detail = api().refused(&api().show("pdf", query, &poster(side)), 422, "parameters-unacceptable");
        assert!(detail.contains("dpi"), "{detail}");
    }
}

#[test]
fn a_hostile_page_costs_no_more_than_its_time_and_memory_and_nothing_of_the_service() {
    let api = Api::start();
    let server = api.service.server().pid();
    let before = memory_peak(server);
    let stream = |dictionary: &str, content: &[u8]| {
        [format!("<<{dictionary}/Length {}>>stream\n", content.len()).as_bytes(), content, b"\nendstream"].concat()
    };
    let form = "/Type/XObject/Subtype/Form/BBox[0 0 100 100]";
    let itself = stream(&format!("{form}/Resources<</XObject<</X 5 0 R>>>>"), b"/X Do /X Do");
    let tiles = "/PatternType 1/PaintType 1/TilingType 1/BBox[0 0 100000 100000]/XStep .0001/YStep .0001/Resources<<>>";
    let bomb = bomb();
    let inflated = stream("/Filter/FlateDecode", &bomb);
    let image = "/Type/XObject/Subtype/Image/Width 30000/Height 30000/BitsPerComponent 8/ColorSpace/DeviceRGB";
    let image = stream(&format!("{image}/Filter/FlateDecode"), &bomb);
    let hostile = [
        (
            "a form that draws itself",
            pdf("/MediaBox[0 0 100 100]/Resources<</XObject<</X 5 0 R>>>>", b"/X Do", &[itself]),
        ),
        (
            "a pattern without end",
            pdf(
                "/MediaBox[0 0 500 500]/Resources<</Pattern<</P 5 0 R>>>>",
                b"/Pattern cs /P scn 0 0 500 500 re f",
                &[stream(tiles, b"0 0 1 1 re f")],
            ),
        ),
        ("groups in groups", pdf("/MediaBox[0 0 1000 1000]/Resources<</XObject<</X 5 0 R>>>>", b"/X Do", &[groups()])),
        (IMAGE, pdf("/MediaBox[0 0 100 100]/Resources<</XObject<</X 5 0 R>>>>", b"100 0 0 100 0 0 cm /X Do", &[image])),
        ("a stream of 4 GiB", pdf_of("/MediaBox[0 0 100 100]", inflated, &[])),
        ("states without end", pdf("/MediaBox[0 0 100 100]", &b"q ".repeat(20 << 20), &[])),
    ];
    for (name, document) in hostile {
        let started = Instant::now();
        let answer = api.show("pdf", "", &document);
        let took = started.elapsed();
        tests::report(&format!("{name}: {} after {took:.1?}", answer.status));
        assert!(took < Duration::from_secs(30), "{name}: {took:?}");
        // What a renderer leaves out may be shown.
        if answer.status != 200 || name == IMAGE {
            let detail = api.refused(&answer, 422, "document-unacceptable");
            assert!(detail.contains("more time or memory"), "{name}: {detail}");
        }
        assert!(children(server).is_empty(), "{name}: a process is left");
    }
    // The largest document has 40 MiB, and no picture is made in the service.
    let grown = memory_peak(server) - before;
    assert!(grown < 400 << 10, "the service grew by {grown} KiB");
    let _ = api.shown(&api.show("pdf", "", &document("report")));
}

#[test]
fn a_page_that_wants_more_memory_than_it_is_given_is_refused_and_the_service_goes_on() {
    let api = Api::start();
    let server = api.service.server().pid();
    let before = memory_peak(server);
    // 65,535 by 65,535 pixels in 30 octets, for which the renderer wants 4 GiB at once.
    let side = u32::from(u16::MAX).to_be_bytes();
    let page_information = [&[0, 0, 0, 0, 48, 0, 1, 0, 0, 0, 19][..], &side, &side, &[0; 8], &[4, 0, 0]].concat();
    let image = "/Type/XObject/Subtype/Image/Width 65535/Height 65535/BitsPerComponent 1/ColorSpace/DeviceGray";
    let length = page_information.len();
    let image = format!("<<{image}/Filter/JBIG2Decode/Length {length}>>stream\n").into_bytes();
    let image = [image, page_information, b"\nendstream".to_vec()].concat();
    let page = "/MediaBox[0 0 100 100]/Resources<</XObject<</X 5 0 R>>>>";
    let hungry = pdf(page, b"100 0 0 100 0 0 cm /X Do", &[image]);
    for _ in 0..5 {
        let started = Instant::now();
        let detail = api.refused(&api.show("pdf", "", &hungry), 422, "document-unacceptable");
        assert!(detail.contains("more time or memory") && detail.contains("can be sealed"), "{detail}");
        // It is not the time that ends it, of which there would be twenty seconds.
        assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
        assert!(children(server).is_empty());
    }
    let grown = memory_peak(server) - before;
    assert!(grown < 100 << 10, "the service grew by {grown} KiB");
    let _ = api.shown(&api.show("pdf", "", &document("report")));
    // As it says.
    let _ = api.client.sign("pdf", &hungry).success();
}

#[test]
fn pages_that_take_long_leave_processors_and_places_to_others() {
    let api = Api::start_with("request_timeout = \"30s\"");
    let server = api.service.server().pid();
    // Takes seconds until its time or memory is used up.
    let image = "/Type/XObject/Subtype/Image/Width 30000/Height 30000/BitsPerComponent 8/ColorSpace/DeviceRGB";
    let bomb = bomb();
    let image = format!("<<{image}/Filter/FlateDecode/Length {}>>stream\n", bomb.len()).into_bytes();
    let image = [image, bomb, b"\nendstream".to_vec()].concat();
    let slow = pdf("/MediaBox[0 0 100 100]/Resources<</XObject<</X 5 0 R>>>>", b"100 0 0 100 0 0 cm /X Do", &[image]);
    let processors = std::thread::available_parallelism().unwrap().get();
    let report = document("report");
    std::thread::scope(|scope| {
        // More than may sign at a time.
        let shown: Vec<_> = (0..processors * 4 + 4).map(|_| scope.spawn(|| api.show("pdf", "", &slow))).collect();
        let until = Instant::now() + Duration::from_secs(30);
        while children(server).len() < processors && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(10));
        }
        let (mut most, mut limits) = (0, String::new());
        for _ in 0..10 {
            let there = children(server);
            most = most.max(there.len());
            let read = there.iter().find_map(|child| std::fs::read_to_string(format!("{child}/limits")).ok());
            limits = read.unwrap_or(limits);
            let started = Instant::now();
            let _ = api.client.sign("pdf", &report).success();
            assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
        }
        assert!((1..=processors).contains(&most), "{most} processes");
        // 1 GiB and twice the document.
        let space = limits.lines().find(|line| line.starts_with("Max address space")).unwrap_or_default();
        let space: u64 = space.split_whitespace().nth(3).and_then(|octets| octets.parse().ok()).unwrap_or_default();
        assert!((1 << 30..(1 << 30) + (64 << 20)).contains(&space), "{limits}");
        let mut statuses: Vec<u16> = shown.into_iter().map(|shown| shown.join().unwrap().status).collect();
        statuses.sort_unstable();
        tests::report(&format!("{} previews at a time, in {most} processes: {statuses:?}", statuses.len()));
        assert!(statuses.iter().all(|status| [422, 503].contains(status)) && statuses[0] == 422, "{statuses:?}");
    });
    assert!(children(server).is_empty());
    let _ = api.shown(&api.show("pdf", "", &report));
}

/// A form that draws itself many times, in groups.
fn groups() -> Vec<u8> {
    let form = "/Type/XObject/Subtype/Form/BBox[0 0 100 100]/Resources<</XObject<</X 5 0 R>>>>";
    let content = b"q /X Do Q ".repeat(64);
    let dictionary = format!("<<{form}/Group<</S/Transparency>>/Length {}>>stream\n", content.len());
    [dictionary.as_bytes(), &content, b"\nendstream"].concat()
}

const IMAGE: &str = "an image of 2.7 GB";

/// A deflated stream of 4 GiB of blanks, which is 16 MiB of them again and again.
fn bomb() -> Vec<u8> {
    let script = "import sys, zlib\n\
        deflate = zlib.compressobj(9)\n\
        start = deflate.compress(b'') + deflate.flush(zlib.Z_FULL_FLUSH)\n\
        block = deflate.compress(b' ' * (16 << 20)) + deflate.flush(zlib.Z_FULL_FLUSH)\n\
        sys.stdout.buffer.write(start + block * 256 + deflate.flush())\n";
    run(Command::new("python3").args(["-c", script])).stdout
}

/// A document with one page of these keys and this content; more objects follow from 5 on.
fn pdf(page: &str, content: &[u8], more: &[Vec<u8>]) -> Vec<u8> {
    let stream = [format!("<</Length {}>>stream\n", content.len()).as_bytes(), content, b"\nendstream"].concat();
    pdf_of(page, stream, more)
}

fn pdf_of(page: &str, content: Vec<u8>, more: &[Vec<u8>]) -> Vec<u8> {
    let mut objects = vec![
        b"<</Type/Catalog/Pages 2 0 R>>".to_vec(),
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>".to_vec(),
        format!("<</Type/Page/Parent 2 0 R/Contents 4 0 R{page}>>").into_bytes(),
        content,
    ];
    objects.extend_from_slice(more);
    let mut pdf = b"%PDF-1.7\n".to_vec();
    let mut table = String::from("0000000000 65535 f \n");
    for (number, object) in (1..).zip(&objects) {
        table.push_str(&format!("{:010} 00000 n \n", pdf.len()));
        pdf.extend_from_slice(&[format!("{number} 0 obj\n").as_bytes(), object, b"\nendobj\n"].concat());
    }
    let (start, size) = (pdf.len(), objects.len() + 1);
    let end = format!("xref\n0 {size}\n{table}trailer\n<</Root 1 0 R/Size {size}>>\nstartxref\n{start}\n%%EOF\n");
    [pdf, end.into_bytes()].concat()
}

/// The most memory that a process had, in KiB.
fn memory_peak(process: u32) -> u64 {
    status(&format!("/proc/{process}"), "VmHWM").unwrap()
}

/// A number of the status of a process, in KiB.
fn status(folder: &str, name: &str) -> Option<u64> {
    let status = std::fs::read_to_string(format!("{folder}/status")).ok()?;
    let line = status.lines().find(|line| line.starts_with(name))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

/// The processes that a process started and that are there.
fn children(parent: u32) -> Vec<String> {
    let parent = parent.to_string();
    let is_child = |folder: &Path| {
        let stat = std::fs::read_to_string(folder.join("stat")).unwrap_or_default();
        // The name, in parentheses, may have blanks.
        let after_name = stat.rsplit(')').next().unwrap_or_default().to_owned();
        after_name.split_whitespace().nth(1) == Some(parent.as_str())
    };
    let folders = std::fs::read_dir("/proc").unwrap().flatten().map(|entry| entry.path());
    folders.filter(|folder| is_child(folder)).map(|folder| folder.display().to_string()).collect()
}
