"""Product titles in threes: (anchor, near, far). Near is the same kind of thing in other words; far is another kind."""

from collections.abc import Callable, Sequence

import numpy as np

Triples = Sequence[tuple[str, str, str]]

CHINESE = (
    ("进口红提子 新鲜葡萄 2斤", "阳光玫瑰青提 当季水果", "全合成机油 5W-30 4升"),
    ("儿童防晒衣 透气外套", "宝宝夏季薄款遮阳上衣", "儿童画笔 水彩套装"),
    ("无线蓝牙耳机 降噪", "头戴式音乐耳麦 长续航", "不锈钢蒸锅 三层"),
    ("纯牛奶 250ml 24盒", "全脂鲜奶 整箱", "护发素 滋润修复"),
    ("全自动猫砂盆", "宠物猫厕所 防外溅", "车载手机支架"),
    ("男士商务皮鞋", "真皮正装鞋子 牛津鞋", "男士剃须刀 电动"),
    ("四件套 纯棉床单", "亲肤被套枕套 床上用品", "四川火锅底料 麻辣"),
    ("羽毛球拍 碳素", "乒乓球拍 双拍套装", "碳素墨水 黑色钢笔用"),
    ("婴儿纸尿裤 L码", "拉拉裤 新生儿尿不湿", "大码女装 连衣裙"),
    ("机械键盘 青轴", "游戏鼠标 有线", "琴键贴纸 钢琴"),
    ("折叠露营帐篷", "户外野营睡袋", "折叠餐桌 家用"),
    ("玻尿酸面膜 补水", "保湿精华液 护肤", "面粉 高筋 烘焙"),
    ("扫地机器人 家用", "无线吸尘器 大吸力", "儿童编程机器人 课程书"),
    ("龙井绿茶 明前", "安溪铁观音 乌龙茶叶", "龙虾尾 冷冻"),
    ("三体 科幻小说", "流浪地球 刘慈欣作品集", "三角梅 盆栽"),
    ("空气炸锅 大容量", "电烤箱 家用烘焙", "空气净化器 滤芯"),
    ("防滑瑜伽垫 加厚", "健身弹力带 拉伸", "地垫 厨房吸油"),
    ("狗粮 成犬 10kg", "幼犬奶糕粮 泰迪", "十公斤大米 东北"),
    ("苹果手机壳 硅胶", "手机钢化膜 防摔", "红富士苹果 山东"),
    ("羽绒服 女 中长款", "冬季加厚棉衣 保暖外套", "羽毛毽子 学生用"),
    ("山地自行车 21速", "公路单车 骑行", "自行编织毛线 手工"),
    ("感冒灵颗粒", "布洛芬缓释胶囊 退烧", "巧克力豆 彩色糖果"),
    ("积木拼装玩具 城市", "遥控赛车 男孩玩具", "城市地图 折叠"),
    ("洗衣液 薰衣草香", "衣物柔顺剂 留香", "薰衣草花苗 盆栽"),
    ("吉他 初学者 民谣", "尤克里里 23寸 小乐器", "他克莫司软膏"),
    ("投影仪 家用 高清", "智能电视 65英寸", "高清直尺 学生文具"),
    ("方便面 红烧牛肉味", "自热米饭 速食", "牛皮腰带 男"),
    ("儿童安全座椅 汽车用", "婴儿推车 可折叠", "汽车玻璃水 冬季"),
    ("电动牙刷 声波", "牙膏 美白 去渍", "电动螺丝刀 充电"),
    ("红酒 赤霞珠 干红", "法国波尔多葡萄酒 礼盒", "红木筷子 家用"),
)
GERMAN = (
    ("Rote Weintrauben kernlos 500 g", "Helle Tafeltrauben, süß und frisch", "Motoröl 5W-30, 5 Liter"),
    ("Damen Regenjacke wasserdicht", "Leichter Anorak für Frauen", "Regentonne 200 Liter"),
    ("Kopfhörer kabellos mit Geräuschunterdrückung", "In-Ear-Ohrstöpsel Bluetooth", "Kopfsalat frisch"),
    ("Frische Vollmilch 1 l", "H-Milch 1,5 % Fett", "Milchpumpe elektrisch"),
    ("Katzenstreu klumpend 10 kg", "Katzenklo mit Haube", "Streusalz für Wege"),
    ("Herrenschuhe aus Leder", "Elegante Halbschuhe für den Anzug", "Lederpflege für Sofas"),
    ("Bettwäsche Baumwolle 135x200", "Spannbettlaken weich", "Waschbecken aus Keramik"),
    ("Tennisschläger für Einsteiger", "Badmintonset mit Federbällen", "Fliegenklatsche"),
    ("Windeln Größe 4", "Feuchttücher für Babys", "Größentabelle, Poster"),
    ("Mechanische Tastatur", "Maus für Spieler", "Mausefalle aus Holz"),
    ("Zelt für zwei Personen", "Schlafsack für den Sommer", "Gartenschlauch 20 m"),
    ("Feuchtigkeitscreme für trockene Haut", "Gesichtsserum mit Hyaluron", "Holzlasur wetterfest"),
    ("Saugroboter mit Wischfunktion", "Akku-Staubsauger beutellos", "Spielzeugroboter Bausatz"),
    ("Grüner Tee lose", "Kamillentee im Beutel", "Grüne Wandfarbe"),
    ("Kriminalroman aus Schweden", "Thriller Taschenbuch", "Buchenholzscheite"),
    ("Heißluftfritteuse XXL", "Backofen mit Umluft", "Heißkleber"),
    ("Yogamatte rutschfest", "Gymnastikball 65 cm", "Fußmatte für die Haustür"),
    ("Hundefutter trocken 12 kg", "Leckerli für Welpen", "Vogelhaus zum Aufhängen"),
    ("Handyhülle aus Silikon", "Displayschutz aus Panzerglas", "Silikonform für Kuchen"),
    ("Daunenjacke Winter", "Gefütterter Mantel mit Kapuze", "Winterreifen 205/55"),
    ("Fahrrad 28 Zoll", "Mountainbike mit Scheibenbremsen", "Fernseher 28 Zoll"),
    ("Hustensaft für Kinder", "Nasenspray gegen Schnupfen", "Apfelsaft naturtrüb"),
    ("Bausteine Polizeistation", "Spielzeugauto ferngesteuert", "Pflastersteine grau"),
    ("Waschmittel flüssig", "Weichspüler Lavendel", "Lavendelpflanze im Topf"),
    ("Westerngitarre für Anfänger", "Ukulele aus Mahagoni", "Westernhut braun"),
    ("Beamer Full HD", "Flachbildfernseher 55 Zoll", "Leinwand zum Malen"),
    ("Nudeln Penne 500 g", "Spaghetti aus Hartweizen", "Schwimmnudel bunt"),
    ("Kindersitz fürs Auto", "Kinderwagen faltbar", "Autobatterie 12 V"),
    ("Elektrische Zahnbürste", "Zahnpasta für weiße Zähne", "Drahtbürste gegen Rost"),
    ("Rotwein trocken aus Italien", "Spätburgunder, Flasche 0,75 l", "Rote Bete vakuumiert"),
)


def right_ones(encode: Callable[[Sequence[str]], np.ndarray], triples: Triples) -> tuple[int, float]:
    """How many anchors are nearer to near than to far, and the same with the other anchors as far, mean over all of them.

    A triple's own far shares a word with its anchor and is another kind of thing, which is the harder question.
    """
    vectors = encode([title for triple in triples for title in triple]).reshape(len(triples), 3, -1)
    anchor, near, far = vectors[:, 0], vectors[:, 1], vectors[:, 2]
    to_near = (anchor * near).sum(axis=1)
    others = (to_near[:, None] > anchor @ anchor.T) & ~np.eye(len(triples), dtype=bool)
    return int((to_near > (anchor * far).sum(axis=1)).sum()), float(others.sum() / (len(triples) - 1))
